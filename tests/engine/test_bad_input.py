"""What cannot be audited is refused in words, with where, what and what to do, and never by a traceback."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.codec import dumps, loads
from audit.errors import AuditError, DataError, SpecError, UsageError
from audit.result import AuditResult, Verdict
from tests.engine.make import (
    BOTH,
    audited,
    estimate,
    finding,
    random_rows,
    run,
    selected,
    spec,
    table,
    verdict,
)

PARITY = {"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}
ODDS = {"metric": "equalized_odds", "at_most": 0.1}
ROWS = random_rows(41, 300).assign(k=1.0)
HEADER = b"g,y,p\n"


def refused(error: AuditError, code: int) -> None:
    assert error.exit_code == code
    assert error.what
    assert error.where
    assert error.hint
    assert "Traceback" not in str(error)
    assert len(str(error)) < 3000


FILES: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "empty"),
    "empty.csv.gz": (gzip.compress(b""), "no header line"),
    "blank.csv": (b"\n\n\n", "no header line"),
    "header.csv": (HEADER, "has no rows"),
    "header.tsv": (b"g\ty\tp\n", "has no rows"),
    "rubbish.csv": (os.urandom(4000) + b"\xff", "UTF-8|header|column"),
    "rubbish.tsv": (b"\xff" * 4000, "UTF-8"),
    "zeros.csv": (b"\x00" * 4000, "no header line"),
    "rubbish.csv.gz": (b"\xff" * 4000, "could not be read"),
    "rubbish.parquet": (b"\xff" * 4000, "could not be read"),
    "rubbish.jsonl": (b"\xff" * 4000, "could not be read"),
    "rubbish.arrow": (b"\xff" * 4000, "could not be read"),
    "rubbish.feather": (b"\xff" * 4000, "could not be read"),
    "rubbish.duckdb": (b"\xff" * 4000, "could not be read"),
    "rubbish after the header.csv": (HEADER + b"\xff\x00\n" * 400, "not UTF-8"),
    "latin.csv": (HEADER + "é,1,0\né,0,1\n".encode("latin-1"), "not UTF-8"),
    "utf16.csv": ("g,y,p\na,1,0\n".encode("utf-16"), "UTF-8"),
    "mac lines.csv": (b"g,y,p\ra,1,0\rb,0,1\r", "carriage return"),
    "array.json": (b'[{"g": "a", "y": 1, "p": {"nested": 1}}]', "one value a row"),
    "half.jsonl": (b'{"g": "a", "y": 1, "p": 1}\n{"g": "b", "y', "could not be read"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_hold_no_rows(name: str, tmp_path: Path) -> None:
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        audited(spec(source=name, base=tmp_path))
    refused(caught.value, 4)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("none.csv", "no such file: none.csv"),
        ("*.parquet", "no such file"),
        ("folder", "a folder, where a file is needed"),
        ("d.xlsx", "unknown kind"),
        ("https://example.org/d.csv", "not fetched"),
        ("postgres://user@nowhere/db", "needs `table:` or `sql:`"),
    ],
)
def test_sources_that_are_not_there(source: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "d.xlsx").write_bytes(b"PK")
    (tmp_path / "one.csv").write_bytes(HEADER)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=words) as caught:
        audited(spec(source=source, base=tmp_path, **({"table": "t"} if "https" in source else {})))
    refused(caught.value, 2)


def test_the_nearest_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_bytes(HEADER)
    with pytest.raises(UsageError) as caught:
        audited(spec(source="prediction.csv", base=tmp_path))
    assert caught.value.hint == "Did you mean predictions.csv?"


def test_no_source_and_no_frame() -> None:
    with pytest.raises(UsageError, match="names no source") as caught:
        audited(spec())
    refused(caught.value, 2)


@pytest.mark.parametrize(
    ("columns", "more", "where"),
    [
        ({"label": "yy", "prediction": "p"}, {}, "data.columns.label"),
        ({"label": "y", "prediction": "pp"}, {}, "data.columns.prediction"),
        ({**BOTH, "score": "ss"}, {}, "data.columns.score"),
        ({**BOTH, "weight": "ww"}, {}, "data.columns.weight"),
        ({**BOTH, "cluster": "cc"}, {}, "data.columns.cluster"),
        (BOTH, {"attributes": {"gg": {}}}, "data.attributes.gg"),
        (BOTH, {"control": ["hh"]}, "data.control"),
    ],
)
def test_a_missing_column_is_told_with_the_nearest(columns: Any, more: Any, where: str) -> None:
    with pytest.raises(UsageError, match="no column is called") as caught:
        run(ROWS, columns, **more)
    refused(caught.value, 2)
    assert caught.value.where == where
    assert "there are: g, h, y, p, s, w, k" in caught.value.what


def test_the_nearest_column_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        run(ROWS.rename(columns={"p": "approved"}), {"label": "y", "prediction": "aproved"})
    assert caught.value.hint == "Did you mean approved?"


WHOLE: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any], str]] = {
    "label of one value": ({"y": 1}, BOTH, {}, "every label is '1'"),
    "label missing everywhere": ({"y": None}, BOTH, {}, "label column is empty"),
    "prediction missing everywhere": ({"p": None}, BOTH, {}, "prediction column is empty"),
    "label measures": ({"y": ROWS.s}, BOTH, {}, "label column|distinct"),
    "score as prediction": ({"p": ROWS.s}, BOTH, {}, "distinct"),
    "rounded score as prediction": ({"p": ROWS.s.round(1)}, BOTH, {}, "no decision"),
    "rounded score, positive named": ({"p": ROWS.s.round(1)}, BOTH, {"positive": 1}, "no decision"),
    "scores all missing": ({"s": np.nan}, {**BOTH, "score": "s"}, {}, "holds no score"),
    "text as score": ({"s": "high"}, {**BOTH, "score": "s"}, {}, "where numbers are needed"),
    "true as score": ({"s": True}, {**BOTH, "score": "s"}, {}, "where numbers are needed"),
    "text as weight": ({"w": "x"}, {**BOTH, "weight": "w"}, {}, "where numbers are needed"),
    "weights all 0": ({"w": 0.0}, {**BOTH, "weight": "w"}, {}, "all 0"),
    "weights lost to rounding": ({"w": 1e-6}, {**BOTH, "weight": "w"}, {}, "lost to rounding"),
    "counts all 0": ({"k": 0}, {**BOTH, "count": "k"}, {}, "no row is left"),
    "bins on text": ({}, BOTH, {"attributes": {"g": {"bins": [1]}}}, "Bins need|bins"),
    "cluster of a float": ({}, {**BOTH, "cluster": "s"}, {}, "differs by engine"),
    "filtered to nothing": ({}, BOTH, {"filter": "s > 2"}, "no row is left|empty"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_columns_that_say_nothing(name: str) -> None:
    changes, columns, more, words = WHOLE[name]
    with pytest.raises(DataError, match=words) as caught:
        run(ROWS.assign(**changes), columns, **more)
    refused(caught.value, 4)


def test_a_score_as_prediction_is_told_what_to_write() -> None:
    for rows in (ROWS.head(30), ROWS):
        with pytest.raises(DataError) as caught:
            run(rows, {"label": "y", "prediction": "s"})
        assert caught.value.hint == "A score, not a decision? Write `score: s` and give `threshold:`."


def test_which_value_is_positive_is_asked_for() -> None:
    rows = ROWS.assign(p=ROWS.p.map({1: "granted", 0: "refused"}))
    with pytest.raises(SpecError, match="'granted', 'refused'") as caught:
        run(rows, BOTH)
    refused(caught.value, 2)
    assert "data.positive: {prediction: VALUE}" in str(caught.value.hint)


ONE: list[tuple[str, str, Any]] = [
    *(("w", "weight", bad) for bad in (-1.0, -1e-9, np.nan, np.inf, -np.inf, 1e5, 1e300)),
    *(("k", "count", bad) for bad in (-1.0, 0.5, np.nan, np.inf, 1e12)),
    *(("s", "score", bad) for bad in (np.nan, np.inf, -np.inf)),
]


@pytest.mark.parametrize(("column", "role", "bad"), ONE)
def test_one_bad_number_is_refused_and_can_be_filtered_out(column: str, role: str, bad: float) -> None:
    values = [bad, *ROWS[column].iloc[1:]]
    frame = pl.from_pandas(ROWS).with_columns(pl.Series(column, values))
    columns = {**BOTH, role: column}
    with pytest.raises(DataError) as caught:
        run(frame, columns)
    refused(caught.value, 4)
    assert role in str(caught.value)
    marked = frame.with_columns(pl.Series("ok", [False] + [True] * (len(values) - 1)))
    result = run(marked, columns, filter="ok")
    assert result.data.rows_audited == len(values) - 1
    without = run(frame.slice(1), columns)
    assert result.estimates == without.estimates


@pytest.mark.parametrize("metric", ["calibration_in_the_large", "brier"])
@pytest.mark.parametrize("scores", [ROWS.s * 100, ROWS.s - 0.5, ROWS.s + 1e-9 + (1 - ROWS.s.max())])
def test_calibration_of_scores_that_are_no_probabilities(metric: str, scores: Any) -> None:
    rule = {"metric": metric, "comparison": "difference", "at_most": 0.1}
    rows = ROWS.assign(s=scores)
    with pytest.raises(DataError, match=r"outside \[0, 1\]") as caught:
        run(rows, {**BOTH, "score": "s"}, rule)
    refused(caught.value, 4)
    plain = run(rows, {**BOTH, "score": "s"})
    assert estimate(plain, metric).value is None
    assert "outside [0, 1]" in str(estimate(plain, metric).why)
    assert estimate(plain, "auc").value is not None


@pytest.mark.parametrize(
    "frame",
    [
        None,
        [],
        {},
        3,
        "x",
        np.zeros((3, 3)),
        pd.DataFrame(),
        pd.Series([1]),
        pd.DataFrame([[1, 2]], columns=["g", "g"]),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_what_is_no_frame(frame: Any) -> None:
    with pytest.raises(AuditError) as caught:
        run(frame, BOTH)
    assert caught.value.exit_code in (2, 4)
    assert caught.value.hint


@pytest.mark.parametrize("column", ["g", "y", "p", "s", "w"])
@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1]] * 4),
        pa.array([{"a": 1}] * 4),
        pa.array([b"x", b"\xff"] * 2),
        pa.nulls(4),
        pa.array([1, 0] * 2, pa.duration("s")),
    ],
    ids=["list", "struct", "bytes", "null", "duration"],
)
def test_columns_of_other_types(column: str, values: pa.Array) -> None:
    rows = {
        "g": ["a", "b"] * 2,
        "y": [1, 0] * 2,
        "p": [1, 1, 0, 0],
        "s": [0.5] * 4,
        "w": [1.0] * 4,
        column: values,
    }
    failed: AuditError | None = None
    try:
        run(pa.table(rows), {**BOTH, "score": "s", "weight": "w"})
    except AuditError as error:
        failed = error
    assert failed is None or (failed.what and failed.hint)
    if column in ("s", "w"):
        assert isinstance(failed, DataError)


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd()|' /C calc'!A0",
    "O'Brien; DROP TABLE rows --",
    'a "quoted" name',
    "two\nlines\r\n",
    "\x01\x07\x1b[31m",
    "👩🏽‍🚀",
    "‮override",
    "a × b",
    "(missing)",
    "   ",
    "\u00e9",
    "e\u0301",
    "x" * 1_000_000,
]


def test_names_of_groups_are_data() -> None:
    rows = pd.concat([selected(**{name: (30 + i, 60)}) for i, name in enumerate(HOSTILE)])
    result = run(rows, {"prediction": "p"}, PARITY, {"metric": "four_fifths"})
    [attribute] = result.data.attributes
    assert set(attribute.values) == set(HOSTILE)
    assert loads(AuditResult, dumps(result), where="here") == result
    for i, name in enumerate(HOSTILE):
        assert estimate(result, "selection_rate", g=name).value == (30 + i) / 60
    assert max(len(f.why) for f in result.findings) < 1000


def test_ten_thousand_groups_take_seconds() -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"g": [f"group {i}" for i in range(10_000)] * 6, "p": rng.integers(0, 2, 60_000)})
    started = time.process_time()
    result = run(rows, {"prediction": "p"}, PARITY, {"metric": "four_fifths"})
    spent = time.process_time() - started
    assert len(result.data.attributes[0].values) == 10_000
    assert result.verdict is not Verdict.PASS
    assert spent < 10


def test_tiny_groups_are_inconclusive() -> None:
    result = run(table(a=(500, 500, 500, 500), b=(5, 5, 5, 5)), BOTH, ODDS, PARITY)
    assert result.verdict is Verdict.INCONCLUSIVE
    for metric in ("true_positive_rate", "false_positive_rate", "selection_rate"):
        found = finding(result, metric, "b")
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "under min_group 30" in found.why


def test_one_group_is_inconclusive() -> None:
    result = run(table(a=(500, 500, 500, 500)), BOTH, ODDS, PARITY, {"metric": "four_fifths"})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "g has one group alone, a, and nothing to hold it against" in verdict(result, "four_fifths").why


def test_one_row() -> None:
    result = run(selected(a=(1, 1)), {"prediction": "p"}, PARITY)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert estimate(result, "selection_rate").value == 1


def test_what_a_text_file_lacks_is_told_from_all_its_columns(tmp_path: Path) -> None:
    """Only the columns that are needed are loaded, but the nearest name is that of another."""
    (tmp_path / "rows.csv").write_text("sex,approved,other\na,1,x\nb,0,y\n")
    for columns, attribute, near in (
        ({"prediction": "aproved"}, "sex", "Did you mean approved?"),
        ({"prediction": "approved"}, "sx", "Did you mean sex?"),
    ):
        made = spec(columns, attributes={attribute: {}}, base=tmp_path, source="rows.csv")
        with pytest.raises(UsageError, match="there are: sex, approved, other") as caught:
            audited(made)
        assert caught.value.hint == near


def test_text_where_a_number_is_needed_is_told_by_its_column(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("g,s\n" + "a,high\nb,low\n" * 20)
    made = spec({"score": "s"}, base=tmp_path, source="rows.csv", threshold=0.5)
    with pytest.raises(DataError, match="40 of 40 lines cannot be read") as caught:
        audited(made)
    assert "Text where a number is needed, in 's'" in str(caught.value.hint)


def test_more_classes_than_are_told_apart_are_no_score() -> None:
    frame = pd.DataFrame({"g": ["a", "b"] * 101, "y": [f"c{n}" for n in range(101)] * 2})
    made = spec({"label": "y", "prediction": "p"}, task="multiclass")
    with pytest.raises(DataError, match="has 101 classes; at most 100") as caught:
        audited(made, frame.assign(p=frame.y))
    assert "Put rare classes together" in str(caught.value.hint)


def test_a_class_in_brackets_is_told_how_it_is_written() -> None:
    rule = {"metric": "true_positive_rate[gold]", "comparison": "worst_group", "at_least": 0.5}
    with pytest.raises(SpecError) as caught:
        spec(BOTH, rule, task="multiclass")
    assert caught.value.hint == "Write metric: true_positive_rate, class: gold."

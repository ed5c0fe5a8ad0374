"""The same rows give the same counts, wherever they lie and however they are written."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from audit.engine.counts import Counts
from audit.engine.source import open_source
from audit.errors import AuditError, DataError, UsageError
from audit.result import AuditResult
from tests.engine.make import BOTH, audited, estimate, random_rows, run, spec

RULES = ({"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8},)
COLUMNS = {**BOTH, "score": "s"}
ATTRIBUTES: dict[str, Any] = {"g": {}, "age": {"bins": [30, 50]}}


def rows() -> pd.DataFrame:
    made = random_rows(31, 400)
    made["s"] = (made.s * 64).round() / 64
    made["age"] = [20 + i % 50 for i in range(len(made))]
    made.loc[::11, "g"] = None
    made.loc[5::17, "y"] = None
    return made.astype({"y": "Int64"})


ROWS = rows()
ARROW = pa.Table.from_pandas(ROWS, preserve_index=False)


def write_csv(path: Path, separator: str = ",", lines: str = "\n", start: str = "") -> Path:
    text = start + ROWS.to_csv(index=False, sep=separator, lineterminator=lines)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ARROW.to_pylist()))
    return path


def write_parquet(folder: Path, parts: int) -> Path:
    for part in range(parts):
        pq.write_table(
            ARROW.slice(part * 150, 150 if part < parts - 1 else None), folder / f"part-{part}.parquet"
        )
    return folder / ("part-*.parquet" if parts > 1 else "part-0.parquet")


def write_feather(path: Path, **more: Any) -> Path:
    feather.write_feather(ARROW, path, **more)
    return path


def write_duckdb(path: Path) -> Path:
    connection = duckdb.connect(str(path))
    connection.register("given", ARROW)
    connection.execute("CREATE TABLE decisions AS SELECT * FROM given")
    connection.execute("CREATE TABLE other (x INT)")
    connection.close()
    return path


FILES: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    "csv": (lambda d: write_csv(d / "d.csv"), {}),
    "csv.gz": (lambda d: write_csv(d / "d.csv.gz"), {}),
    "CSV": (lambda d: write_csv(d / "D.CSV"), {}),
    "tsv": (lambda d: write_csv(d / "d.tsv", "\t"), {}),
    "tsv.gz": (lambda d: write_csv(d / "d.tsv.gz", "\t"), {}),
    "semicolons": (lambda d: write_csv(d / "d.csv", ";"), {}),
    "txt": (lambda d: write_csv(d / "d.txt", "|"), {}),
    "byte order mark": (lambda d: write_csv(d / "d.csv", start="\ufeff"), {}),
    "windows lines": (lambda d: write_csv(d / "d.csv", lines="\r\n"), {}),
    "json lines": (lambda d: write_jsonl(d / "d.jsonl"), {}),
    "parquet": (lambda d: write_parquet(d, 1), {}),
    "parquet parts": (lambda d: write_parquet(d, 3), {}),
    "feather": (lambda d: write_feather(d / "d.feather"), {}),
    "arrow, plain": (lambda d: write_feather(d / "d.arrow", compression="uncompressed"), {}),
    "duckdb table": (lambda d: write_duckdb(d / "d.duckdb"), {"table": "decisions"}),
    "duckdb sql": (lambda d: write_duckdb(d / "d.duckdb"), {"sql": "SELECT * FROM decisions"}),
}
FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: ROWS,
    "pandas category": lambda: ROWS.astype({"g": "category"}),
    "pandas index": lambda: ROWS.set_index(ROWS.index[::-1]),
    "polars": lambda: pl.from_arrow(ARROW),
    "pyarrow": lambda: ARROW,
    "ibis": lambda: ibis.memtable(ARROW),
}


@pytest.fixture(scope="module")
def expected() -> tuple[AuditResult, Counts]:
    return audited(spec(COLUMNS, *RULES, attributes=ATTRIBUTES), ROWS)


@pytest.mark.parametrize("kind", FILES)
def test_files_hold_the_same_counts(kind: str, tmp_path: Path, expected: tuple[AuditResult, Counts]) -> None:
    write, more = FILES[kind]
    path = write(tmp_path)
    made = spec(COLUMNS, *RULES, attributes=ATTRIBUTES, source=path.name, base=tmp_path, **more)
    result, counts = audited(made)
    assert result.estimates == expected[0].estimates
    assert result.comparisons == expected[0].comparisons
    assert result.cells == expected[0].cells
    assert counts.save() == expected[1].save()
    assert result.data.rows_read == len(ROWS)
    assert result.data.digest
    assert result.data.source == path.name


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_hold_the_same_counts(kind: str, expected: tuple[AuditResult, Counts]) -> None:
    result, counts = audited(spec(COLUMNS, *RULES, attributes=ATTRIBUTES), FRAMES[kind]())
    assert result.cells == expected[0].cells
    assert counts.save() == expected[1].save()
    assert result.data.digest is None


GROUPS = ["b", "b ", "", None, "NA", "nan", "NULL", "007", "7", "b"]


def spread(values: list[Any]) -> pa.Table:
    """Each value once with a positive and once with a negative prediction."""
    return pa.table({"g": pa.array(values * 2, pa.string()), "p": [1] * len(values) + [0] * len(values)})


def values_of(result: AuditResult) -> dict[str | None, int]:
    [attribute] = result.data.attributes
    return dict(zip(attribute.values, attribute.rows, strict=True))


@pytest.mark.parametrize("kind", ["frame", "parquet", "arrow"])
def test_null_empty_and_blank_are_three_groups(kind: str, tmp_path: Path) -> None:
    table, source = spread(GROUPS), {}
    if kind == "parquet":
        pq.write_table(table, tmp_path / "d.parquet")
        source = {"source": "d.parquet"}
    elif kind == "arrow":
        feather.write_feather(table, tmp_path / "d.arrow")
        source = {"source": "d.arrow"}
    made = spec({"prediction": "p"}, base=tmp_path, **source)
    result, _ = audited(made, None if source else table)
    assert values_of(result) == {
        **dict.fromkeys(["", "007", "7", "NA", "NULL", "b ", "nan", None], 2),
        "b": 4,
    }


def test_what_a_csv_can_say(tmp_path: Path) -> None:
    lines = [
        "b",
        '"b "',
        "",
        '""',
        "NA",
        "nan",
        "NULL",
        "007",
        "7",
        '"two\nlines"',
        '"a ""quote"""',
        '"x,y"',
        " b",
    ]
    text = "g,p\n" + "".join(f"{value},{p}\n" for value in lines for p in (0, 1))
    (tmp_path / "d.csv").write_text(text)
    result, _ = audited(spec({"prediction": "p"}, source="d.csv", base=tmp_path))
    plain = ["b", "b ", "NA", "nan", "NULL", "007", "7", "two\nlines", 'a "quote"', "x,y", " b"]
    assert values_of(result) == {**dict.fromkeys(plain, 2), None: 4}
    assert result.data.excluded == ()


def ragged(tmp_path: Path, bad: dict[int, str], good: int = 1000) -> AuditResult:
    """A file whose lines of these numbers are replaced; the header is line 1."""
    lines = ["g,p,s"] + [f"{'ab'[i % 2]},{i % 3 % 2},0.5" for i in range(good)]
    for number, text in bad.items():
        lines[number - 1] = text
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    return audited(spec({"prediction": "p", "score": "s"}, source="d.csv", base=tmp_path))[0]


@pytest.mark.parametrize(
    "bad",
    [
        {7: "a,1"},
        {7: "a,1,0.5,extra"},
        {7: "a,1,high"},
        {7: "a,1", 501: "a", 1001: "b,1,0.5,x,y"},
    ],
    ids=["short", "long", "text for a number", "three"],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(tmp_path: Path, bad: dict[int, str]) -> None:
    result = ragged(tmp_path, bad)
    [excluded] = result.data.excluded
    assert (excluded.reason, excluded.rows, excluded.lines) == ("unreadable line", len(bad), tuple(bad))
    assert result.data.rows_read == 1000
    assert result.data.rows_audited == 1000 - len(bad)


def test_more_than_one_line_in_a_hundred_is_an_error(tmp_path: Path) -> None:
    assert ragged(tmp_path, dict.fromkeys(range(2, 12), "a,1")).data.rows_audited == 990
    with pytest.raises(DataError, match="11 of 1000 lines cannot be read") as caught:
        ragged(tmp_path, dict.fromkeys(range(2, 13), "a,1"))
    assert "2, 3, 4" in caught.value.what
    assert caught.value.exit_code == 4


def test_files_whose_columns_differ_are_not_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("g,p\na,1\nb,0\n")
    (tmp_path / "2.csv").write_text("p,g\n1,a\n0,b\n")
    with pytest.raises(DataError, match="header differs"):
        audited(spec({"prediction": "p"}, source="*.csv", base=tmp_path))
    (tmp_path / "2.csv").write_text("g,p\na,0\nb,1\n")
    assert audited(spec({"prediction": "p"}, source="*.csv", base=tmp_path))[0].data.rows_audited == 4


def test_a_file_that_was_cut_off_is_no_shorter_file(tmp_path: Path) -> None:
    whole = write_csv(tmp_path / "whole.csv.gz").read_bytes()
    (tmp_path / "d.csv.gz").write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(DataError, match="ended before"):
        audited(spec(COLUMNS, source="d.csv.gz", base=tmp_path))


@pytest.mark.parametrize(
    "change", [lambda p: p.write_text("g,p\na,1\n"), lambda p: p.unlink()], ids=["written", "gone"]
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = write_csv(tmp_path / "d.csv")
    source = open_source(spec(COLUMNS, source="d.csv", base=tmp_path))
    source.check_unchanged()
    change(path)
    with pytest.raises(DataError):
        source.check_unchanged()


def test_a_digest_is_of_the_bytes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d.csv")
    made = spec(COLUMNS, attributes=ATTRIBUTES, source="d.csv", base=tmp_path)
    first = audited(made)[0].data.digest
    os.utime(path, (0, 0))
    assert audited(made)[0].data.digest == first
    path.write_bytes(path.read_bytes() + b"a,u,1,1,0.5,1,30\n")
    assert audited(made)[0].data.digest != first


def test_the_table_of_a_database_must_be_named(tmp_path: Path) -> None:
    write_duckdb(tmp_path / "d.duckdb")
    for more in ({}, {"table": "decision"}):
        with pytest.raises(UsageError, match="table") as caught:
            audited(spec(COLUMNS, source="d.duckdb", base=tmp_path, **more))
        assert "decisions" in str(caught.value.hint)


PEOPLE = pd.DataFrame(
    {"id": ["01", "02", "03", "04"], "g": ["a", "b", None, "a"], "age": [20.0, 40.0, 60.0, None]}
)
DECISIONS = pd.DataFrame({"id": ["01", "02", "03", "05", "01"], "p": [1, 0, 1, 0, 0]})


def joined(tmp_path: Path, people: pd.DataFrame, kind: str) -> AuditResult:
    if kind == "table":
        connection = duckdb.connect(str(tmp_path / "d.duckdb"))
        for name, frame in (("decisions", DECISIONS), ("people", people)):
            connection.register("given", pa.Table.from_pandas(frame))
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
        connection.close()
        more: dict[str, Any] = {
            "source": "d.duckdb",
            "table": "decisions",
            "join": {"table": "people", "on": "id"},
        }
    else:
        people.to_csv(tmp_path / "people.csv", index=False)
        pq.write_table(pa.Table.from_pandas(people), tmp_path / "people.parquet")
        DECISIONS.to_csv(tmp_path / "d.csv", index=False)
        more = {"source": "d.csv", "join": {"source": f"people.{kind}", "on": "id"}}
    made = spec({"prediction": "p"}, attributes={"g": {}, "age": {"bins": [30, 50]}}, base=tmp_path, **more)
    return audited(made)[0]


@pytest.mark.parametrize("kind", ["table", "csv", "parquet"])
def test_attributes_held_elsewhere_are_joined_to_every_row(tmp_path: Path, kind: str) -> None:
    result = joined(tmp_path, PEOPLE, kind)
    g, age = result.data.attributes
    assert dict(zip(g.values, g.rows, strict=True)) == {"a": 2, "b": 1, None: 2}
    assert dict(zip(age.values, age.rows, strict=True)) == {
        "under 30": 2,
        "30 to under 50": 1,
        "50 and over": 1,
        None: 1,
    }
    assert result.data.rows_audited == len(DECISIONS)


@pytest.mark.parametrize("kind", ["table", "csv", "parquet"])
def test_a_doubled_key_would_count_people_twice(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match="doubled"):
        joined(tmp_path, pd.concat([PEOPLE, PEOPLE.head(1)]), kind)


def test_a_join_on_a_column_that_is_not_there(tmp_path: Path) -> None:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    made = spec({"prediction": "p"}, base=tmp_path, join={"source": "people.csv", "on": "idd"})
    with pytest.raises(UsageError, match="no column is called 'idd'") as caught:
        audited(made, DECISIONS)
    assert "id" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_joined_file_is_part_of_what_was_read(tmp_path: Path, kind: str) -> None:
    """Its bytes are in the digest, and it must not change while it is read."""
    first = joined(tmp_path, PEOPLE, kind).data.digest
    assert joined(tmp_path, PEOPLE, kind).data.digest == first
    assert joined(tmp_path, PEOPLE.assign(extra=1), kind).data.digest != first
    more = {"source": "d.csv", "join": {"source": f"people.{kind}", "on": "id"}}
    with open_source(spec({"prediction": "p"}, base=tmp_path, **more)) as source:
        assert {path.name for path in source.files} == {"d.csv", f"people.{kind}"}
        with (tmp_path / f"people.{kind}").open("ab") as stream:
            stream.write(b"x,1,2\n")
        with pytest.raises(DataError, match="changed while it was being read"):
            source.check_unchanged()


def test_a_file_over_the_network_is_refused_before_a_table_is_asked_for() -> None:
    with pytest.raises(UsageError, match="not fetched over the network"):
        audited(spec({"prediction": "p"}, source="https://example.org/rows.csv"))


def test_a_frame_is_joined_to_a_file(tmp_path: Path) -> None:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    made = spec({"prediction": "p"}, base=tmp_path, join={"source": "people.csv", "on": "id"})
    assert estimate(audited(made, DECISIONS)[0], "count", g="a").value == 2


def test_a_join_of_text_with_numbers_is_words_or_matches(tmp_path: Path) -> None:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    made = spec({"prediction": "p"}, base=tmp_path, join={"source": "people.csv", "on": "id"})
    try:
        result = audited(made, DECISIONS.assign(id=[1, 2, 3, 5, 1]))[0]
    except AuditError as error:
        refused = str(error.hint)
        assert refused
    else:
        assert values_of(result)[None] == 5


def test_a_filter_reads_columns_that_have_no_role(tmp_path: Path) -> None:
    write_csv(tmp_path / "d.csv")
    result, _ = audited(spec(COLUMNS, source="d.csv", base=tmp_path, filter="h = 'u'"))
    assert result.data.rows_audited == (ROWS.h == "u").sum()


@pytest.mark.parametrize("value", [True, 3, 2.5, "x", pd.Timestamp("2026-01-01")], ids=str)
def test_values_of_any_kind_are_groups_by_their_text(value: Any) -> None:
    rows = pd.DataFrame({"g": [value] * 4, "p": [1, 0, 1, 0]})
    [name] = run(rows, {"prediction": "p"}).data.attributes[0].values
    assert name == {True: "true", 3: "3", 2.5: "2.5"}.get(
        value, "x" if value == "x" else "2026-01-01T00:00:00"
    )

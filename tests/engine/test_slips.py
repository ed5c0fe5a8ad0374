"""Slips of a hurried user that could end in a pass or a wrong number: refused, or in the way of a pass."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import AuditError, DataError, SpecError, UsageError
from audit.result import AuditResult, Verdict
from tests.engine.make import random_rows, run

PARITY = {"metric": "selection_rate", "comparison": "difference", "at_most": 0.3}
ROWS = random_rows(7, 600).assign(note="fine", more="x", h=lambda rows: np.where(rows.index % 2, "u", "v"))
COLUMNS = ["g", "y", "p", "note", "more", "h"]


def judged(frame: Any, *, columns: Any = None, rule: dict[str, Any] = PARITY, **more: Any) -> AuditResult:
    return run(frame, columns, rule, **more)


def read(path: Path, **more: Any) -> AuditResult:
    return judged(None, source=path.name, base=path.parent, **more)


def csv(folder: Path, lines: list[str], name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return ROWS[COLUMNS].to_csv(index=False).splitlines()


@pytest.mark.parametrize("column", ["g", "note"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_quote_that_is_not_closed_takes_no_rows_with_it(
    column: str, compressed: bool, lines: list[str], tmp_path: Path
) -> None:
    cells = lines[300].split(",")
    cells[COLUMNS.index(column)] = '"' + cells[COLUMNS.index(column)]
    path = csv(tmp_path, [*lines[:300], ",".join(cells), *lines[301:]])
    if compressed:
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    with pytest.raises(DataError, match="not closed") as caught:
        read(path)
    assert caught.value.where == f"{path.name}:301"


@pytest.mark.parametrize("apart", [1, 2, 250])
def test_rows_between_two_stray_quotes_are_not_lost(apart: int, lines: list[str], tmp_path: Path) -> None:
    first, last = lines[300], lines[300 + apart]
    broken = [
        *lines[:300],
        first.replace(",fine,", ',"fine,'),
        *lines[301 : 300 + apart],
        last.replace(",fine,", ',fine",'),
        *lines[301 + apart :],
    ]
    with pytest.raises(DataError, match=f"'note' holds {apart} line breaks between what look like rows"):
        read(csv(tmp_path, broken))


def test_text_of_several_lines_is_text(lines: list[str], tmp_path: Path) -> None:
    text = '"Dear Sir,\n\nI write, with regret, to say:\nno, never, not, at, all.\n"'
    told = [lines[0], *(line.replace("fine", text) for line in lines[1:])]
    result = read(csv(tmp_path, told))
    assert result.data.rows_read == result.data.rows_audited == len(ROWS)


def test_a_group_whose_name_is_not_utf8_does_not_vanish(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\n".join([*(line.encode() for line in lines), b"m\xe9tis,1,0,fine,x,u", b""]))
    with pytest.raises(DataError, match="not UTF-8") as caught:
        read(path)
    assert caught.value.where == f"rows.csv:{len(lines) + 1}"


def test_lines_that_end_in_two_ways_are_named(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((lines[0] + "\r\n" + "\n".join(lines[1:]) + "\n").encode())
    with pytest.raises(DataError, match="1 in CRLF, 600 in LF"):
        read(path)


def test_headers_that_other_programs_write(lines: list[str], tmp_path: Path) -> None:
    plain = read(csv(tmp_path, lines))
    rest = [f"{place},{line}" for place, line in enumerate(lines[1:])]
    for name in ("", '"a\nname"', "  "):
        result = read(csv(tmp_path, [f"{name},{lines[0]}", *rest]))
        assert result.comparisons == plain.comparisons, name


def test_a_wrong_column_of_a_text_file_is_told_with_all_that_there_are(
    lines: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="there are: g, y, p, note, more, h"):
        read(csv(tmp_path, lines), attributes={"G": {}})


REFUSED = ["NA", "nan", "?", "YES", "yes ", "Y", "1", "true", "unknown"]


@pytest.mark.parametrize("role", ["label", "prediction"])
@pytest.mark.parametrize("value", REFUSED)
def test_what_is_missing_or_another_spelling_is_no_negative(role: str, value: str) -> None:
    rows = random_rows(3, 400)
    rows[["y", "p"]] = np.where(rows[["y", "p"]] == 1, "yes", "no")
    rows.loc[rows.index[::9], "y" if role == "label" else "p"] = value
    with pytest.raises(DataError, match="would count as negative") as caught:
        judged(rows, positive="yes")
    assert caught.value.where == f"data.columns.{role}"
    assert repr(value) in caught.value.what


@pytest.mark.parametrize("value", ["maybe", "withdrawn", "N", "-99"])
def test_a_third_class_counts_as_negative_and_is_told(value: str) -> None:
    rows = random_rows(3, 400)
    rows[["y", "p"]] = np.where(rows[["y", "p"]] == 1, "yes", "no")
    rows.loc[rows.index[::9], "y"] = value
    told = judged(rows, positive="yes").data.warnings
    assert any(repr(value) in note for note in told)


RULES = [
    PARITY,
    {"metric": "equalized_odds", "at_most": 0.5},
    {"metric": "four_fifths"},
    {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.5},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.get("comparison", rule["metric"])))
@pytest.mark.parametrize("held", ["one", None])
def test_a_rule_does_not_pass_without_one_of_its_attributes(rule: dict[str, Any], held: str | None) -> None:
    rows = pd.DataFrame(
        {"g": ["a", "b"] * 4000, "d": [held] * 8000, "y": [0, 0, 1, 1] * 2000, "c": ["k"] * 8000}
    )
    rows["p"] = rows.y
    asked: dict[str, Any] = {"attributes": {"g": {}, "d": {}}, "control": ["c"]}
    assert judged(rows, rule={**rule, "attributes": ["g"]}, **asked).verdict is Verdict.PASS
    result = judged(rows, rule=rule, **asked)
    assert result.verdict is Verdict.INCONCLUSIVE
    [why] = {c.blocked for c in result.comparisons if c.grouping == ("d",)}
    assert str(why).startswith("d has one group alone")


@pytest.mark.parametrize("threshold", [50, -1])
def test_a_threshold_that_no_score_lies_across_is_refused(threshold: float) -> None:
    with pytest.raises(DataError, match="all are decided alike"):
        judged(random_rows(3, 400), columns={"label": "y", "score": "s"}, threshold=threshold)


def test_slips_that_may_be_meant_are_told() -> None:
    rows = random_rows(3, 400)
    result = judged(
        rows.assign(s=np.where(rows.index == 0, 0.2, rows.s * 100)),
        columns={"label": "y", "score": "s"},
        threshold=0.5,
        attributes={"g": {"map": {"typo": "Female"}}},
    )
    assert [word in " ".join(result.data.warnings) for word in ("'Female'", "of their scale")] == [True, True]


@pytest.mark.parametrize("more", [{"sql": "SELECT * FROM rows WHERE g = 'a'"}, {"table": "rows"}])
@pytest.mark.parametrize("source", ["rows.csv", "${NEWUSER_ROWS}"])
def test_a_question_to_a_database_is_not_dropped_on_a_file(
    more: dict[str, Any], source: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv(tmp_path, lines)
    monkeypatch.setenv("NEWUSER_ROWS", "rows.csv")
    with pytest.raises(UsageError, match="goes with a database"):
        judged(None, source=source, base=tmp_path, **more)


@pytest.mark.parametrize("condition", ["g", "y + 1"])
def test_a_filter_is_a_condition(condition: str) -> None:
    with pytest.raises(SpecError, match="true or false is needed"):
        judged(random_rows(3, 400), filter=condition)


def test_a_filter_that_cannot_be_asked_says_what_to_write(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="CAST"):
        read(csv(tmp_path, lines), filter="y > 0")
    with pytest.raises(SpecError, match="Columns: "):
        judged(random_rows(3, 400), filter="nosuch = 1")


def test_a_filter_that_lets_nothing_through_is_named() -> None:
    with pytest.raises(DataError, match=r"left out by data.filter: 400"):
        judged(random_rows(3, 400), filter="g = 'nobody'")


def test_values_are_not_bent_to_the_types_of_another_file(tmp_path: Path) -> None:
    rows = pa.Table.from_pandas(random_rows(3, 400)[["g", "y", "p"]], preserve_index=False)
    pq.write_table(rows, tmp_path / "1.parquet")
    bent = rows.set_column(2, "p", pa.array(np.full(400, 0.6)))
    pq.write_table(bent, tmp_path / "2.parquet")
    with pytest.raises(DataError, match="column 'p' holds double, and in 1"):
        judged(None, source="*.parquet", base=tmp_path)
    narrow = rows.set_column(2, "p", rows["p"].cast(pa.int8()))
    pq.write_table(narrow, tmp_path / "2.parquet")
    assert judged(None, source="*.parquet", base=tmp_path).data.rows_audited == 800


@pytest.mark.slow
def test_values_of_json_are_not_bent_to_those_of_the_first_rows(tmp_path: Path) -> None:
    whole = '{"g": "a", "y": 1, "p": 1}\n{"g": "b", "y": 0, "p": 0}\n' * 15_000
    (tmp_path / "rows.jsonl").write_text(whole + '{"g": "b", "y": 0, "p": 0.6}\n')
    with pytest.raises(DataError, match=r"'0.6'"):
        judged(None, source="rows.jsonl", base=tmp_path)


def test_nan_weights_in_parquet_are_told_as_such(tmp_path: Path) -> None:
    rows = random_rows(3, 400).assign(w=lambda rows: np.where(rows.index == 7, np.nan, 1.0))
    table = pa.table({name: pa.array(rows[name].to_numpy()) for name in ("y", "p", "w")})
    pq.write_table(table.append_column("g", pa.array(list(rows.g))), tmp_path / "rows.parquet")
    with pytest.raises(AuditError, match="1 rows hold weights"):
        judged(
            None,
            source="rows.parquet",
            base=tmp_path,
            columns={"label": "y", "prediction": "p", "weight": "w"},
        )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    with pytest.raises(UsageError, match="a folder") as caught:
        judged(None, source="rows", base=tmp_path)
    assert caught.value.hint == "Name the files in it, as rows/*.parquet."


def test_the_file_that_is_joined_is_one(lines: list[str], tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        csv(tmp_path, ["more,extra", "x,1"], name)
    with pytest.raises(UsageError, match="2 files are joined"):
        read(csv(tmp_path, lines), join={"source": "[ab].csv", "on": "more"})


def waived(*groups: str) -> dict[str, Any]:
    return {"reason": "r", "approver": "A", "expires": "2030-01-01", "groups": list(groups)}


def test_a_waiver_covers_one_group_and_not_its_namesake() -> None:
    rows = random_rows(3, 400).assign(d=lambda rows: np.where(rows.index % 3, "a", "other"))
    asked: dict[str, Any] = {"attributes": {"g": {}, "d": {}}}
    with pytest.raises(SpecError, match="waives group 'a', and there is one in g and in d"):
        judged(rows, rule={**PARITY, "waivers": [waived("a")]}, **asked)
    judged(rows, rule={**PARITY, "waivers": [waived("a")], "attributes": ["d"]}, **asked)
    with pytest.raises(SpecError, match="'b', which does not occur"):
        judged(rows, rule={**PARITY, "waivers": [waived("b")], "attributes": ["d"]}, **asked)


def test_an_emptied_list_of_groups_does_not_waive_all() -> None:
    with pytest.raises(SpecError, match="covers all of them"):
        judged(random_rows(3, 400), rule={**PARITY, "waivers": [waived()]})


@pytest.mark.parametrize(
    ("value", "words"), [("NA", "reads as a missing value"), ("A", "'A' and 'a' read as one")]
)
def test_classes_are_written_in_one_way(value: str, words: str) -> None:
    rows = random_rows(3, 400)
    rows[["y", "p"]] = np.where(rows[["y", "p"]] == 1, "a", "b")
    rows.loc[rows.index[::9], "y"] = value
    rule = {"metric": "accuracy", "comparison": "difference", "at_most": 0.3}
    with pytest.raises(DataError, match=words):
        judged(rows, rule=rule, task="multiclass")


def test_decisions_that_are_all_alike_are_told() -> None:
    told = judged(random_rows(3, 400).assign(p=0)).data.warnings
    assert any("no prediction is '1'" in note for note in told)

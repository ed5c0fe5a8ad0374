"""A published table computed again, with the city's own worked example and its one row that disagrees."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli.main import main

ORACLE = json.loads((Path(__file__).parents[1] / "governance" / "ll144.json").read_text(encoding="utf-8"))
Write = Callable[[list[list[Any]]], str]


def selection() -> list[list[Any]]:
    told = ORACLE["selection"]
    rows = [[sex, "", n, k, rate, ratio] for sex, n, k, rate, ratio in told["sex"]]
    rows += [["", race, n, k, f"{rate:.2f}", f"{ratio:.2f}"] for race, n, k, rate, ratio in told["race"]]
    return [*rows, *([list(row) for row in told["both"]])]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(rows: list[list[Any]]) -> str:
        with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([["sex", "race", "n", "selected", "rate", "ratio"], *rows])
        return str(tmp_path / "t.csv")

    return to_file


def faults(file: str, capsys: pytest.CaptureFixture[str], code: int = 1) -> list[str]:
    assert main(["verify-report", file, "--profile", "ll144", "--json"]) == code
    return [fault["text"] for fault in json.loads(capsys.readouterr().out)["faults"]]


def test_the_worked_example_disagrees_in_one_row(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    found = faults(write(selection()), capsys)
    assert found == [
        "Hispanic is printed as 408/204 and sums to 395/172 in the table by sex and race",
        "the tables hold different people: 2,571/1,222 by sex, 2,584/1,254 by race, "
        "2,571/1,222 by sex and race",
    ]
    assert main(["verify-report", write(selection()), "--profile", "ll144"]) == 1
    assert "line 4: Hispanic is printed as 408/204" in capsys.readouterr().out


def test_the_row_put_right_adds_up(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ["", "Hispanic", 395, 172, 0.44, 0.84] if r[1] == "Hispanic" and not r[0] else r for r in selection()
    ]
    assert faults(write(rows), capsys, code=0) == []
    assert main(["verify-report", write(rows), "--profile", "ll144"]) == 0
    assert f"{len(rows)} rows add up" in capsys.readouterr().out


def test_a_rate_cut_off_is_no_fault_and_a_wrong_one_is(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ORACLE["scoring"]
    rows = [[sex, "", n, k, f"{100 * rate:.1f}%", ratio] for sex, n, k, rate, ratio in told["sex"]]
    rows += [["", race, n, k, f"{100 * rate:.1f}%", ratio] for race, n, k, rate, ratio in told["race"]]
    assert faults(write(rows), capsys) == ["there is no table by sex and race"]
    rows[0][4], rows[1][5] = "54.2%", 0.84
    found = faults(write(rows), capsys)
    assert "Male: the rate is printed as 0.542; 50 of 92 it is 0.5435" in found
    assert "Female: the impact ratio is printed as 0.84; against Male it is 0.8232" in found


def test_a_ratio_of_nobody_is_not_defined(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    found = faults(write([["M", "", 10, 0, 0, 1.0], ["F", "", 10, 0, 0, 1.0]]), capsys)
    assert "M: the impact ratio is printed as 1 and is not defined" in found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1"),
        ("sex,race\nM,\n", "no column n and selected"),
        ("n,selected\n1,1\n", "no column sex or race"),
        ("sex,n,selected\n", "no rows"),
        ("sex,n,selected\nM,ten,1\n", ":2"),
        ("sex,n,selected\nM,1,2\n", "2 selected of 1"),
        ("sex,n,selected\n,1,1\n", "neither sex nor race"),
        ("sex,n,selected,rate\nM,10,1,NaN\n", "not a number"),
        ("sex,n,selected\nM,٣,1\n", "not a whole number"),
        ('sex,n,selected\n"M\x00,1,1\n', "x.csv"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    assert main(["verify-report", str(tmp_path / "x.csv"), "--profile", "ll144"]) == 4
    assert said in capsys.readouterr().err


def test_no_file_and_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify-report", str(tmp_path / "none.csv"), "--profile", "ll144"]) == 2
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    assert main(["verify-report", str(tmp_path / "x.csv"), "--profile", "ll144"]) == 4
    assert "UTF-8" in capsys.readouterr().err

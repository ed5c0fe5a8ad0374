"""The page beside other libraries: no cell without a source, and figures that the script really prints."""

from __future__ import annotations

import re

from tests.architecture.modules import ROOT

PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
NOT_LOOKED_AT = "not looked at"


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    part = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_where_another_is_better_each_line_has_a_source() -> None:
    found = rows("Where another is better")
    assert len(found) >= 10
    assert [row for row in found if len(row) != 4 or not re.search(r"\]\(https://|`", row[3])] == []


def test_every_cell_points_at_a_source_that_is_there() -> None:
    sources = set(re.findall(r"^- \[(\w)\] ", PAGE, re.MULTILINE))
    cells = [cell for row in rows("What harm-audit has, and which of them has it too") for cell in row[1:]]
    assert len(cells) >= 45
    bare = [cell for cell in cells if cell != NOT_LOOKED_AT and not re.search(r"\[\w\]$", cell)]
    assert bare == []
    assert {mark for cell in cells for mark in re.findall(r"\[(\w)\]$", cell)} == sources


def test_the_figures_are_dated_and_name_the_kind_of_machine() -> None:
    block = PAGE.split("<!-- peers -->\n", 1)[1].split("<!-- /peers -->", 1)[0]
    assert re.match(r"\d{4}-\d\d-\d\d, \d+ cores, \d+ GB, \w+ \w+, Python 3\.", block)
    named = set(re.findall(r"^\| ([\w-]+)", block, re.MULTILINE)) - {"library", "---"}
    assert {
        "harm-audit",
        "fairlearn",
        "aif360",
        "aequitas",
        "vfairness",
        "smclarify",
        "evidently",
        "trustyai",
    } <= named

"""The page beside other libraries: no cell without a source, and figures that the script really prints."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

from tests.architecture.modules import ROOT

PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


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
    bare = [cell for cell in cells if not re.search(r"\[\w\]$", cell)]
    assert bare == []
    assert {mark for cell in cells for mark in re.findall(r"\[(\w)\]$", cell)} == sources


def test_the_figures_are_dated_and_name_the_kind_of_machine() -> None:
    block = PAGE.split("<!-- peers -->\n", 1)[1].split("<!-- /peers -->", 1)[0]
    assert re.match(r"\d{4}-\d\d-\d\d, \d+ cores, \d+ GB, \w+ \w+, Python 3\.", block)
    named = set(re.findall(r"^\| ([\w-]+)", block, re.MULTILINE)) - {"library", "---"}
    assert named == {peer.name for peer in peers().PEERS}


def peers() -> ModuleType:
    """The script itself: what it can measure is what the page shows."""
    spec = importlib.util.spec_from_file_location("peers", ROOT / "benchmarks" / "peers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_script_prints_of_such_figures() -> None:
    """Also of a library that does not install, and of one that lacks a figure."""
    script = peers()
    entry = {"name": "x", "version": "1", "note": "a|b", "intervals": "", "seconds": 1.234, "mb": 10.0}
    lacking = entry | {"off_by": 1e-15, "seconds_with_intervals": None, "lacking": ["selection rate"]}
    assert script.cells(lacking) == ["x 1", "1.23", "–", "10 MB", "0", "none", "a\\|b; no selection rate"]
    absent = {"name": "y", "version": None, "note": "", "intervals": "", "trouble": "does not install: so"}
    assert script.cells(absent) == ["y", "–", "–", "–", "–", "none", "does not install: so"]

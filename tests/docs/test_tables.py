"""A table of a page is a table: it has a head, and every line as many cells as it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.architecture.modules import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "examples" / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
HEAD = re.compile(r"\|(\s*:?-+:?\s*\|)+")


def tables(text: str) -> Iterator[list[str]]:
    """Runs of lines that begin with a bar, outside code blocks."""
    lines = FENCE.sub("", text).splitlines()
    for barred, run in groupby(lines, key=lambda line: line.startswith("|")):
        if barred:
            yield list(run)


def cells(line: str) -> int:
    """How many cells a line has: a bar within code or behind a backslash parts none."""
    return len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_run_of_barred_lines_has_a_head(page: Path) -> None:
    for table in tables(page.read_text(encoding="utf-8")):
        assert len(table) > 1, table[0]
        assert HEAD.fullmatch(table[1].strip()), table[0]
        assert {cells(line) for line in table} == {cells(table[0])}, table[0]


def test_a_line_apart_from_its_table_is_seen() -> None:
    assert [len(run) for run in tables("| a |\n|---|\n| b |\n\n| c |\n")] == [3, 1]

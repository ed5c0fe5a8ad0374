"""A bias audit's tables as somebody published them, computed again: where the figures do not add up."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from audit.errors import DataError
from audit.governance import ll144
from audit.governance.ll144 import Count

NAMES = {
    "sex": ("sex", "gender"),
    "race": ("race", "ethnicity", "race/ethnicity", "race_ethnicity", "race or ethnicity"),
    "n": ("n", "applicants", "people", "total", "count"),
    "selected": ("selected", "above", "above_median", "hired", "chosen"),
    "rate": ("rate", "selection_rate", "selection rate", "scoring_rate", "scoring rate"),
    "ratio": ("ratio", "impact_ratio", "impact ratio"),
}
"""The columns, and what else they are called; rate and ratio may be absent."""
TABLES = ("sex", "race", "sex and race")


@dataclass(frozen=True, slots=True)
class Printed:
    """One published row; rate and ratio as (value, one unit of the last printed place)."""

    line: int
    table: str
    category: str
    pair: tuple[str, str]
    n: int
    selected: int
    rate: tuple[float, float] | None
    ratio: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not add up; `line` is that of the file, None where it is about whole tables."""

    line: int | None
    text: str


def parse(text: str, *, where: str) -> tuple[Printed, ...]:
    """The rows of a CSV with the columns sex, race, n, selected and perhaps rate, ratio.

    A row with sex alone belongs to the sex table, with race alone to the race table, with both to the
    intersectional one. A DataError names the line that cannot be read.
    """
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""))
    try:
        header = [cell.strip().casefold() for cell in next(reader, [])]
        places = {name: _place(header, spellings) for name, spellings in NAMES.items()}
        lacking = [name for name in ("n", "selected") if places[name] is None]
        if lacking or (places["sex"] is None and places["race"] is None):
            raise DataError(
                f"the first line has no column {' and '.join(lacking) or 'sex or race'}",
                where=f"{where}:1",
                hint="Name the columns sex, race, n, selected, rate, ratio.",
            )
        rows = tuple(
            _row(cells, places, reader.line_num, where) for cells in reader if any(c.strip() for c in cells)
        )
    except csv.Error as error:
        raise DataError(f"this is no CSV: {error}", where=f"{where}:{reader.line_num}") from error
    if not rows:
        raise DataError("there are no rows", where=where, hint="Give the published table, a row a category.")
    return rows


def faults(rows: Iterable[Printed]) -> tuple[Fault, ...]:
    """Every place where the published figures disagree with each other."""
    tables: dict[str, list[Printed]] = {name: [] for name in TABLES}
    for row in rows:
        tables[row.table].append(row)
    found: list[Fault] = []
    for own in tables.values():
        found += _within(own)
    cells = {row.pair: (row.n, row.selected) for row in tables["sex and race"]}
    for name in ("sex", "race"):
        found += _across(tables[name], cells) if cells else []
    found += _totals(tables)
    found += [Fault(None, f"there is no table by {name}") for name in TABLES if not tables[name]]
    return tuple(found)


def _within(rows: list[Printed]) -> list[Fault]:
    found: list[Fault] = []
    seen: set[str] = set()
    for row in rows:
        if row.category in seen:
            found.append(Fault(row.line, f"{row.category} stands twice in the table by {row.table}"))
        seen.add(row.category)
    made = ll144.table([Count(row.category, row.n, row.selected) for row in rows])
    for row, again in zip(rows, made.rows, strict=True):
        counted = f"{row.selected:,} of {row.n:,}"
        found += _differs(row, "rate", row.rate, again.rate, counted)
        found += _differs(row, "impact ratio", row.ratio, again.impact_ratio, f"against {made.highest}")
    return found


def _differs(
    row: Printed, what: str, printed: tuple[float, float] | None, computed: float | None, because: str
) -> list[Fault]:
    """A printed figure may be rounded or cut off: less than one unit of its last place is no difference."""
    if printed is None:
        return []
    value, unit = printed
    if computed is None:
        return [Fault(row.line, f"{row.category}: the {what} is printed as {value:g} and is not defined")]
    if abs(value - computed) < unit * (1 - 1e-9):
        return []
    return [
        Fault(row.line, f"{row.category}: the {what} is printed as {value:g}; {because} it is {computed:.4f}")
    ]


def _across(rows: list[Printed], cells: Mapping[tuple[str, str], tuple[int, int]]) -> list[Fault]:
    lines = {row.category: row.line for row in rows}
    counts = [Count(row.category, row.n, row.selected) for row in rows]
    return [
        Fault(
            lines[each.category],
            f"{each.category} is printed as {each.printed[0]}/{each.printed[1]} and sums to "
            f"{each.summed[0]}/{each.summed[1]} in the table by sex and race",
        )
        for each in ll144.disagreements(counts, cells)
    ]


def _totals(tables: Mapping[str, list[Printed]]) -> list[Fault]:
    sums = {
        name: (sum(r.n for r in rows), sum(r.selected for r in rows)) for name, rows in tables.items() if rows
    }
    if len(set(sums.values())) < 2:
        return []
    words = ", ".join(f"{n:,}/{selected:,} by {name}" for name, (n, selected) in sums.items())
    return [Fault(None, f"the tables hold different people: {words}")]


def _place(header: list[str], spellings: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in spellings if name in header), None)


def _row(cells: list[str], places: Mapping[str, int | None], line: int, where: str) -> Printed:
    def cell(name: str) -> str:
        place = places[name]
        return cells[place].strip() if place is not None and place < len(cells) else ""

    here = f"{where}:{line}"
    sex, race = cell("sex"), cell("race")
    if not sex and not race:
        raise DataError("a row names neither sex nor race", where=here, hint="Leave totals out of the file.")
    n, selected = _whole(cell("n"), "n", here), _whole(cell("selected"), "selected", here)
    if selected > n:
        raise DataError(f"{selected} selected of {n}", where=here, hint="Is it the other way round?")
    table = "sex and race" if sex and race else "sex" if sex else "race"
    category = f"{sex} × {race}" if sex and race else sex or race
    rate, ratio = (_figure(cell(name), name, here) for name in ("rate", "ratio"))
    return Printed(line, table, category, (sex, race), n, selected, rate, ratio)


def _whole(text: str, name: str, where: str) -> int:
    plain = text.replace(",", "").replace("\u202f", "").replace(" ", "")
    if not (plain.isascii() and plain.isdigit() and len(plain) < 16):
        raise DataError(f"{name} is {text!r}, not a whole number", where=where, hint="Write it as 1390.")
    return int(plain)


def _figure(text: str, name: str, where: str) -> tuple[float, float] | None:
    """The number and one unit of its last place; a % sign divides both by 100.

    >>> _figure("54.3%", "rate", "f:2"), _figure("0.979", "rate", "f:2"), _figure("", "rate", "f:2")
    ((0.543, 0.001), (0.979, 0.001), None)
    """
    if text in ("", "-", "–", "N/A", "n/a"):
        return None
    percent = text.endswith("%")
    plain = text.rstrip("%").strip()
    whole, _, decimals = plain.partition(".")
    if not plain.isascii() or not (whole + decimals).isdigit() or len(plain) > 30:
        raise DataError(f"{name} is {text!r}, not a number", where=where, hint="Write it as 0.979 or 97.9%.")
    shift = len(decimals) + (2 if percent else 0)
    return int(whole + decimals) / 10**shift, 1 / 10**shift

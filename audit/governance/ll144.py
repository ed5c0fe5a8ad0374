"""The calculations of New York City's Local Law 144: rates, impact ratios, exclusions, consistency.

6 RCNY 5-300 to 5-304, in our own words. The law sets no pass mark. Where the rule is silent the choice is
ours and is said so: people in no known category are left out of all tables; a category that is left out
of the ratios cannot be the highest one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from audit.errors import UsageError

SMALL_SHARE = 50
"""A category is small where 50 times its count is less than the total: strictly under two per cent."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a category there were, and how many were selected (or scored above the median)."""

    category: str
    n: int
    selected: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `impact_ratio` is None where it is excluded or undefined, and `why` says which."""

    category: str
    n: int
    selected: int
    rate: float | None
    impact_ratio: float | None
    share: float | None
    small: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its highest category (None where nobody was selected) and what must be said of it."""

    rows: tuple[Row, ...]
    highest: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A category whose printed numbers are not the sums of the intersectional table."""

    category: str
    printed: tuple[int, int]
    summed: tuple[int, int]


def table(counts: Sequence[Count], excluded: Mapping[str, str] | None = None) -> Table:
    """Rates and impact ratios against the highest rate in the table.

    `excluded` gives the reason for each category left out of the ratios; only one strictly under two per
    cent may be, and its count and rate stay in the table. A UsageError says what may not be excluded.

    >>> made = table([Count("Male", 1390, 667), Count("Female", 1181, 555)])
    >>> round(made.rows[1].impact_ratio, 3)
    0.979
    """
    excluded = dict(excluded or {})
    total = sum(count.n for count in counts)
    for category, reason in excluded.items():
        _check_exclusion(category, reason, counts, total)
    kept = [count for count in counts if count.category not in excluded and count.n > 0]
    best = kept[0] if kept else None
    for count in kept:
        if best is not None and count.selected * best.n > best.selected * count.n:
            best = count
    usable = best is not None and best.selected > 0
    rows = tuple(
        _row(count, best if usable else None, total, excluded.get(count.category)) for count in counts
    )
    return Table(
        rows, best.category if best is not None and usable else None, _notes(counts, kept, best, excluded)
    )


def _row(count: Count, best: Count | None, total: int, excluded: str | None) -> Row:
    rate = count.selected / count.n if count.n else None
    why = None
    if excluded is not None:
        why = f"left out of the ratios, under 2 % of the data: {excluded}"
    elif count.n == 0:
        why = "nobody in this category"
    elif best is None:
        why = "nobody was selected in any category"
    ratio = None
    if why is None and best is not None:
        ratio = (count.selected * best.n) / (count.n * best.selected)
    share = count.n / total if total else None
    return Row(
        count.category, count.n, count.selected, rate, ratio, share, SMALL_SHARE * count.n < total, why
    )


def _notes(
    counts: Sequence[Count], kept: Sequence[Count], best: Count | None, excluded: Mapping[str, str]
) -> tuple[str, ...]:
    notes = []
    if len(kept) == 1:
        notes.append("one category only: its ratio of 1 compares it with itself")
    for count in counts:
        higher = best is not None and count.n and count.selected * best.n > best.selected * count.n
        if count.category in excluded and higher and best is not None:
            notes.append(
                f"{count.category} has the highest rate and is left out; "
                f"ratios are against {best.category} (our reading)"
            )
    return tuple(notes)


def _check_exclusion(category: str, reason: str, counts: Sequence[Count], total: int) -> None:
    found = next((count for count in counts if count.category == category), None)
    if found is None:
        raise UsageError(
            f"no category is called {category!r}", hint=f"There are: {', '.join(c.category for c in counts)}."
        )
    if SMALL_SHARE * found.n >= total:
        raise UsageError(
            f"{category} holds {found.n} of {total} and cannot be left out",
            hint="Only a category strictly under two per cent of the data may be.",
        )
    if not reason.strip():
        raise UsageError(f"leaving out {category} needs a justification", hint="Say why, in a sentence.")


def median(histogram: Mapping[float, int]) -> float | None:
    """The median of scores given as score → count; None of nothing.

    >>> median({1: 1, 2: 1, 3: 1, 4: 1})
    2.5
    """
    total = sum(histogram.values())
    if total == 0:
        return None
    middle = []
    for wanted in {(total - 1) // 2, total // 2}:
        passed = 0
        for score in sorted(histogram):
            passed += histogram[score]
            if passed > wanted:
                middle.append(score)
                break
    return sum(middle) / len(middle)


def scoring_counts(
    scores: Mapping[str | None, Mapping[float, int]], *, known_only: bool = False
) -> tuple[list[Count], float | None]:
    """Per category how many scored strictly above the full sample's median, and that median.

    `scores` holds score → count per category; None is no known category, which counts for the median
    (the rule says full sample) unless `known_only`, and is in no row.

    >>> scoring_counts({"A": {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}})
    ([Count(category='A', n=5, selected=2)], 3.0)
    """
    whole: dict[float, int] = {}
    for category, histogram in scores.items():
        if category is None and known_only:
            continue
        for score, count in histogram.items():
            whole[score] = whole.get(score, 0) + count
    middle = median(whole)
    rows = [
        Count(
            category,
            sum(histogram.values()),
            sum(count for score, count in histogram.items() if middle is not None and score > middle),
        )
        for category, histogram in scores.items()
        if category is not None
    ]
    return rows, float(middle) if middle is not None else None


def margins(cells: Mapping[tuple[str, str], tuple[int, int]]) -> tuple[list[Count], list[Count]]:
    """Sex and race tables as sums over (sex, race) → (n, selected), in order of first appearance."""
    made: list[dict[str, list[int]]] = [{}, {}]
    for pair, (n, selected) in cells.items():
        for sums, category in zip(made, pair, strict=True):
            both = sums.setdefault(category, [0, 0])
            both[0] += n
            both[1] += selected
    sex, race = ([Count(name, n, selected) for name, (n, selected) in sums.items()] for sums in made)
    return sex, race


def disagreements(
    printed: Sequence[Count], cells: Mapping[tuple[str, str], tuple[int, int]]
) -> tuple[Disagreement, ...]:
    """Categories of a printed sex or race table that are not the sums of the intersectional one."""
    summed = {count.category: (count.n, count.selected) for part in margins(cells) for count in part}
    return tuple(
        Disagreement(count.category, (count.n, count.selected), summed.get(count.category, (0, 0)))
        for count in printed
        if summed.get(count.category, (0, 0)) != (count.n, count.selected)
    )


def within_a_year(audited: date, used: date) -> bool:
    """Whether a use falls within one year after the audit, by the same calendar date.

    An audit of 29 February runs to 28 February; an audit after the use does not cover it.

    >>> within_a_year(date(2024, 3, 1), date(2025, 3, 1)), within_a_year(date(2024, 3, 1), date(2025, 3, 2))
    (True, False)
    """
    try:
        last = audited.replace(year=audited.year + 1)
    except ValueError:
        last = date(audited.year + 1, 2, 28)
    return audited <= used <= last

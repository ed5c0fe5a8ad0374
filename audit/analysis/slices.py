"""The slices with the worst error: found on one half of the people, confirmed on the other."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np

from audit.analysis import permutation, search
from audit.analysis.binning import FeatureBins, compress, plan_bins
from audit.analysis.confirm import Chosen, Halves, permuted, tested
from audit.analysis.lattice import Cells
from audit.analysis.rates import TITLES, Rate
from audit.analysis.slice_report import SCHEMA_VERSION, Condition, Slice, SliceReport
from audit.analysis.tables import as_table, as_text, one_row_each
from audit.engine.reading import reading
from audit.engine.sums import md5
from audit.errors import DataError, UsageError

TESTS = ("split", "max-t")
"""On people it was not found on, or on everyone by permutation."""
OVERLAP = 0.75
"""Two slices that share more than this part of the rows of either are told as one."""
GAIN = 0.05
"""A slice inside another must have a rate higher by this part of the other's to be told by itself."""
MIN_ROWS = 30
"""No slice of fewer rows is looked for, whatever the support asked for."""
_POOL = 20
"""How many candidates are looked at for each slice that is reported, so that folding leaves enough."""
_BAD, _ROW, _HALF = "__slices_bad", "__slices_row", "__slices_half"


def find_slices(
    data: Any,
    rate: Rate,
    *,
    features: tuple[str, ...] | None = None,
    person: str | None = None,
    top: int = 10,
    min_support: float = 0.01,
    max_depth: int | None = None,
    weight: float | None = None,
    confidence: float = 0.95,
    examples: int = 0,
    test: str = "split",
) -> SliceReport:
    """The `top` slices of the highest rate, over any features, each tested on people it was not found on.

    People (by `person`, else rows) are split in two by a hash with a fixed salt, one row each. Bins,
    and the slices of the highest score with at least `min_support` of the rows (and 30), come from
    the first half, exactly and at every depth. On the second half each gets the hypergeometric
    probability of as many bad rows in a random draw of its size, and Holm's adjustment over all of
    them. Where the rate has nothing to do with the features, a report names a confirmed slice with
    probability 1 − confidence at most.

    With `test` "max-t" nobody is set aside: slices are found and tested on everyone, each against the
    largest score over all slices with the bad rows dealt anew, which finds more and keeps the same
    promise; their rates are chosen by looking and have no interval.

    `features` None takes every column that has a rule and no other role. `examples` adds that many
    bad rows of each slice: they may be personal data.
    Errors: UsageError for columns and options that do not exist; DataError where no row counts or
    the columns hold what cannot be used.
    `weight` None ranks by the standard score; a weight ranks as SliceLine does.
    Source: Sagadeeva and Boehm, SIGMOD 2021 (pruning by upper bounds, and the weighted score).
    """
    _check(top, min_support, confidence, examples, test)
    table = as_table(data)
    counted = rate.apply(table, name=_BAD)
    people = one_row_each(counted, person, row=_ROW, half=_HALF)
    # One copy of the few columns' rows in the engine, so that both halves see the same row numbers.
    with reading("the data"):
        people = people.cache()
        total, used = (int(one.count().to_pyarrow().as_py()) for one in (table, people))
    first = people.filter(people[_HALF] == 0) if test == "split" else people
    min_rows = _least_rows(rate, first, total, used, min_support, test)
    reserved = rate.columns | {person or _ROW, _ROW, _HALF, _BAD}
    bins, left_out = plan_bins(
        first, features, reserved=reserved, min_rows=min_rows, fold=True, everyone=people
    )
    halves = _halves(people, bins) if test == "split" else _everyone(people, bins)
    chosen = _choose(halves.discovery, min_rows, top, max_depth, weight)
    if test == "split":
        slices = tested(halves, chosen, confidence)
    else:
        largest = permutation.largest_scores(halves.discovery, min_rows, max_depth=max_depth, weight=weight)
        slices = permuted(halves, chosen, confidence, largest)
    if examples:
        slices = tuple(
            replace(one, examples=example_rows(people, bins, one.conditions, limit=examples))
            for one in slices
        )
    return SliceReport(
        SCHEMA_VERSION,
        rate.metric,
        TITLES[rate.metric],
        person,
        confidence,
        min_support,
        min_rows,
        max_depth,
        weight,
        halves.discovery.rows,
        _mean(halves.discovery),
        halves.confirmation.rows,
        _mean(halves.confirmation_loss or halves.confirmation),
        bins,
        left_out,
        slices,
        _notes(total, used, person, bins, halves, slices, test),
        test,
        None if test == "split" else permutation.PERMUTATIONS,
    )


def _least_rows(rate: Rate, first: ir.Table, total: int, used: int, min_support: float, test: str) -> int:
    """The rows that a slice needs; a DataError where there are too few to find and confirm any."""
    rows = int(first.count().to_pyarrow().as_py())
    if rows < 2 * MIN_ROWS or (test == "split" and used - rows < MIN_ROWS):
        raise DataError(
            f"{used} of {total} rows count towards {rate.metric}: too few to find and confirm slices",
            where=rate.metric,
            hint=f"{4 * MIN_ROWS} rows of distinct people are the least.",
        )
    return max(MIN_ROWS, math.ceil(min_support * rows))


def _check(top: int, min_support: float, confidence: float, examples: int, test: str) -> None:
    if test not in TESTS:
        raise UsageError(f"there is no test {test!r}", where="test", hint=f"Allowed: {', '.join(TESTS)}.")
    if top < 1:
        raise UsageError(f"{top} slices cannot be listed", where="top", hint="Ask for 1 or more.")
    if not 0 < min_support < 1:
        raise UsageError(
            f"the support {min_support:g} is outside (0, 1)",
            where="min support",
            hint="0.01 is one row in 100.",
        )
    if not 0.5 < confidence < 1:
        raise UsageError(f"the confidence {confidence:g} is outside (0.5, 1)", where="confidence")
    if examples < 0:
        raise UsageError(f"{examples} examples cannot be shown", where="examples")


def _halves(people: ir.Table, bins: tuple[FeatureBins, ...]) -> Halves:
    first, second = (people.filter(people[_HALF] == half) for half in (0, 1))
    discovery = compress(first, bins, first[_BAD])
    if not discovery.additive:
        return Halves(bins, discovery, compress(second, bins, second[_BAD]), None, discovery)
    limit = discovery.total / discovery.rows * discovery.unit
    above, found_above = (compress(half, bins, half[_BAD] > limit) for half in (second, first))
    return Halves(bins, discovery, above, compress(second, bins, second[_BAD]), found_above)


def _everyone(people: ir.Table, bins: tuple[FeatureBins, ...]) -> Halves:
    whole = compress(people, bins, people[_BAD])
    if whole.additive:
        raise UsageError(
            "a loss is not tested by permutation: its sizes are not kept row by row",
            where="test",
            hint="Take the test split, or a share of rows whose loss is too high.",
        )
    return Halves(bins, whole, whole, None, whole)


def _mean(cells: Cells) -> float | None:
    return cells.total / cells.rows * cells.unit if cells.rows else None


def _choose(
    cells: Cells, min_rows: int, top: int, max_depth: int | None, weight: float | None
) -> list[Chosen]:
    """The worst slices of the discovery half, each with those that hold almost the same rows."""
    pool = top * _POOL
    while True:
        found = search.worst(cells, min_rows, k=pool, max_depth=max_depth, weight=weight)
        kept = _fold(cells, found, top)
        if len(kept) >= top or len(found) < pool or pool > top * _POOL:
            return kept
        pool *= 10


def _fold(cells: Cells, found: tuple[search.Found, ...], top: int) -> list[Chosen]:
    """Each slice joins the first better one that it merely repeats, in rows or in a part of them."""
    kept: list[Chosen] = []
    rows: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
    for one in found:
        mask = cells.within(one.conditions)
        for other, (leader, folded) in zip(rows, kept, strict=True):
            shared = int(cells.n[mask & other].sum())
            same = shared > OVERLAP * (one.n + leader.n - shared)
            part = set(leader.conditions) < set(one.conditions)
            if same or (part and one.k * leader.n <= (1 + GAIN) * leader.k * one.n):
                folded.append(one)
                break
        else:
            if len(kept) < top:
                kept.append((one, []))
                rows.append(mask)
    return kept


def example_rows(
    people: ir.Table, bins: tuple[FeatureBins, ...], conditions: tuple[Condition, ...], *, limit: int
) -> tuple[dict[str, str | None], ...]:
    """Bad rows of a slice as text, for reading; the same ones every time, chosen by a hash."""
    by_name = {one.feature: one for one in bins}
    chosen = people
    for one in conditions:
        level = by_name[one.feature].level(chosen)
        chosen = chosen.filter(level.isnull() if one.level is None else level == one.level)
    bad = chosen[_BAD] if chosen[_BAD].type().is_boolean() else chosen[_BAD] > 0
    chosen = chosen.filter(bad).order_by(
        [ibis.desc(_BAD), md5(ibis.literal("example:") + chosen[_ROW].cast("string"))]
    )
    names = [name for name in people.columns if name not in (_BAD, _ROW, _HALF)]
    with reading("the data"):
        found = chosen.limit(limit).select(**{name: as_text(chosen[name]) for name in names}).to_pyarrow()
    return tuple(found.to_pylist())


def _notes(
    total: int,
    used: int,
    person: str | None,
    bins: tuple[FeatureBins, ...],
    halves: Halves,
    slices: tuple[Slice, ...],
    test: str,
) -> tuple[str, ...]:
    notes = []
    if test == "max-t":
        notes.append(
            f"Found and tested on the same people, by {permutation.PERMUTATIONS} permutations: the rates "
            "are chosen by looking and exaggerate; the adjusted p values allow for the search."
        )
    if used < total:
        why = (
            "are not in the rate's denominator"
            if person is None
            else ("are not in the rate's denominator, or are further rows of a person who counts once")
        )
        notes.append(f"{total - used:,} of {total:,} rows {why}.")
    if person is None and test == "max-t":
        notes.append(
            "Dealt by row: where people stand in several rows, name the column of their id, "
            "or slices of a few people will seem confirmed."
        )
    elif person is None:
        notes.append(
            "Split by row: where people stand in several rows, name the column of their id, "
            "or slices of a few people will seem confirmed."
        )
    notes += [
        f"{one.feature}: {one.folded} values of too few rows became one level." for one in bins if one.folded
    ]
    if halves.discovery.total == 0:
        notes.append("No bad row on the discovery half: there is nothing to find.")
    elif not slices:
        notes.append("No slice of enough rows scores worse than everyone together.")
    if halves.discovery.additive:
        notes.append("A slice is confirmed by its share of losses above the discovery half's mean loss.")
    return tuple(notes)

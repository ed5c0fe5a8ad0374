"""The search against a count by brute force: every slice, every number, none missed by pruning."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.analysis import lattice, search
from audit.analysis.lattice import Cells
from audit.errors import UsageError

Slices = dict[tuple[tuple[int, int], ...], tuple[int, int]]


def cells_of(codes: np.ndarray, errors: np.ndarray, *, additive: bool = False) -> Cells:
    """One cell a distinct row, its counts by numpy's unique."""
    distinct, which = np.unique(codes, axis=0, return_inverse=True)
    levels = tuple(tuple(str(code) for code in range(codes[:, j].max() + 1)) for j in range(codes.shape[1]))
    return Cells(
        tuple(f"f{j}" for j in range(codes.shape[1])),
        levels,
        distinct.astype(np.int32),
        np.bincount(which),
        np.bincount(which, weights=errors).astype(np.int64),
        peak=int(errors.max(initial=1)),
        additive=additive,
    )


def brute_force(codes: np.ndarray, errors: np.ndarray, min_rows: int, depth: int) -> Slices:
    """Every conjunction, counted row by row."""
    found: Slices = {}
    features = range(codes.shape[1])
    for size in range(1, depth + 1):
        for chosen in combinations(features, size):
            for values in product(*(np.unique(codes[:, j]) for j in chosen)):
                rows = np.ones(len(codes), bool)
                for j, value in zip(chosen, values, strict=True):
                    rows &= codes[:, j] == value
                if rows.sum() >= max(min_rows, 1):
                    key = tuple((j, int(value)) for j, value in zip(chosen, values, strict=True))
                    found[key] = (int(rows.sum()), int(errors[rows].sum()))
    return found


@st.composite
def data(draw: st.DrawFn, largest_error: int = 1) -> tuple[np.ndarray, np.ndarray]:
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows, features = draw(st.integers(1, 400)), draw(st.integers(1, 4))
    codes = rng.integers(0, draw(st.integers(1, 4)), (rows, features))
    # Repeating rows makes cells of many sizes, so that units of every power of two occur.
    repeat = rng.integers(1, draw(st.integers(2, 40)), rows)
    errors = rng.integers(0, largest_error + 1, rows) * (rng.random(rows) < rng.random())
    return np.repeat(codes, repeat, axis=0), np.repeat(errors, repeat)


def listed(listing: search.Listing) -> Slices:
    found = [listing.found(row) for row in range(len(listing))]
    as_dict = {one.conditions: (one.n, one.k) for one in found}
    assert len(as_dict) == len(found), "a slice was visited twice"
    return as_dict


@settings(max_examples=60, deadline=None)
@given(data(), st.integers(0, 60), st.sampled_from([None, 1, 2, 3]))
def test_the_listing_is_every_slice_with_its_counts(
    rows: tuple[np.ndarray, np.ndarray], min_rows: int, depth: int | None
) -> None:
    codes, errors = rows
    expected = brute_force(codes, errors, min_rows, codes.shape[1] if depth is None else depth)
    assert listed(search.listing(cells_of(codes, errors), min_rows, max_depth=depth)) == expected


@settings(max_examples=30, deadline=None)
@given(data(largest_error=1000), st.integers(0, 60))
def test_a_loss_is_summed_exactly(rows: tuple[np.ndarray, np.ndarray], min_rows: int) -> None:
    codes, losses = rows
    expected = brute_force(codes, losses, min_rows, codes.shape[1])
    assert listed(search.listing(cells_of(codes, losses, additive=True), min_rows)) == expected


@settings(max_examples=80, deadline=None)
@given(data(), st.integers(1, 30), st.integers(1, 12), st.sampled_from([None, 0.3, 0.6, 0.95, 1.0]))
def test_pruning_never_loses_one_of_the_worst(
    rows: tuple[np.ndarray, np.ndarray], min_rows: int, k: int, weight: float | None
) -> None:
    codes, errors = rows
    check_worst(codes, errors, min_rows, k, weight, additive=False)


@settings(max_examples=40, deadline=None)
@given(data(largest_error=50), st.integers(1, 30), st.integers(1, 12), st.sampled_from([None, 0.8]))
def test_pruning_never_loses_one_of_the_worst_by_loss(
    rows: tuple[np.ndarray, np.ndarray], min_rows: int, k: int, weight: float | None
) -> None:
    codes, losses = rows
    check_worst(codes, losses, min_rows, k, weight, additive=True)


def check_worst(
    codes: np.ndarray, errors: np.ndarray, min_rows: int, k: int, weight: float | None, *, additive: bool
) -> None:
    n, total = len(codes), int(errors.sum())
    scores = {}
    peak = int(errors.max(initial=1))
    mean = total / n
    if total and (weight is not None or mean < peak):
        for key, (size, bad) in brute_force(codes, errors, min_rows, codes.shape[1]).items():
            if weight is None:
                value = (bad - size * mean) / (size * mean * (peak - mean)) ** 0.5
            else:
                value = weight * (bad / size / mean - 1) - (1 - weight) * (n / size - 1)
            if value > 0:
                scores[key] = value
    ranked = sorted(scores.values(), reverse=True)
    last = ranked[min(k, len(ranked)) - 1] if ranked else 0.0
    expected = {key for key, value in scores.items() if value >= last - 1e-9}
    found = search.worst(cells_of(codes, errors, additive=additive), min_rows, k=k, weight=weight)
    got = {one.conditions for one in found}
    assert got <= expected
    assert {key for key in expected if scores[key] > last + 1e-9} <= got
    assert len(got) >= min(k, len(ranked))


def test_blocks_smaller_than_a_group_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    codes, errors = rng.integers(0, 3, (500, 5)), rng.integers(0, 2, 500)
    whole = listed(search.listing(cells_of(codes, errors), 4))
    monkeypatch.setattr(lattice, "_BLOCK_WORDS", 3)
    assert listed(search.listing(cells_of(codes, errors), 4)) == whole


def test_no_error_at_all_has_no_worst_slice() -> None:
    codes = np.zeros((10, 2), dtype=int)
    assert search.worst(cells_of(codes, np.zeros(10, dtype=int)), 1) == ()


@pytest.mark.parametrize("wrong", [{"k": 0}, {"weight": 0.0}, {"weight": 1.5}, {"max_depth": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    cells = cells_of(np.zeros((4, 1), dtype=int), np.ones(4, dtype=int))
    with pytest.raises(UsageError):
        search.worst(cells, 1, **wrong)  # type: ignore[arg-type]

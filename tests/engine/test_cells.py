"""Cells are merged exactly, whatever their keys hold; those of scores lose nothing when bins are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.engine.cells import Cells
from audit.engine.groups import place
from audit.engine.scored import by_tenth

HUGE = 2**61


def cells(codes: list[int], keys: list[int], rows: list[int]) -> Cells:
    levels = tuple(str(i) for i in range(max(codes) + 1))
    return Cells(
        ("group",),
        (levels,),
        np.array(codes, dtype=np.int32)[:, None],
        {"key": np.array(keys, dtype=np.int64)},
        {"n": np.array(rows, dtype=np.int64)},
    )


entries = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.one_of(st.integers(-3, 3), st.sampled_from([-HUGE, HUGE])),
        st.integers(0, 10),
    ),
    min_size=1,
    max_size=60,
)


@given(entries)
def test_merging_sums_each_combination_once_in_the_order_of_its_keys(given_cells):
    merged = cells(*map(list, zip(*given_cells, strict=True))).merged()
    expected: dict[tuple[int, int], int] = {}
    for code, key, rows in given_cells:
        expected[code, key] = expected.get((code, key), 0) + rows
    found = list(zip(merged.codes[:, 0].tolist(), merged.keys["key"].tolist(), strict=True))
    assert found == sorted(expected)
    assert merged.sums["n"].tolist() == [expected[pair] for pair in found]


@given(entries)
def test_groups_stand_in_the_order_of_their_levels(given_cells):
    held = cells(*map(list, zip(*given_cells, strict=True)))
    index, groups = place(held, ("group",))
    present = sorted({code for code, _, _ in given_cells})
    assert groups == tuple((str(code),) for code in present)
    assert [present[i] for i in index.tolist()] == [code for code, _, _ in given_cells]


@pytest.mark.parametrize("unscored", [0, 3])
def test_without_bins_the_sums_by_tenth_are_the_same(unscored):
    rng = np.random.default_rng(0)
    size = 200
    bins = np.where(np.arange(size) < unscored, -1, rng.integers(0, 50, size))
    whole = Cells(
        ("group",),
        (("a", "b"),),
        rng.integers(0, 2, (size, 1)).astype(np.int32),
        {
            "label": rng.integers(-1, 2, size),
            "bin": bins,
            "tenth": np.where(bins < 0, -1, bins // 5),
            "prediction": np.full(size, -1),
        },
        {"n": rng.integers(1, 9, size), "s": rng.integers(0, 2**30, size), "low": rng.random(size)},
    )
    coarse = by_tenth(whole)
    assert len(coarse) < len(whole)
    for group in (0, 1):
        for label in (-1, 0, 1):
            for tenth in range(-1, 10):
                mine = (
                    (coarse.codes[:, 0] == group)
                    & (coarse.keys["label"] == label)
                    & (coarse.keys["tenth"] == tenth)
                )
                theirs = (
                    (whole.codes[:, 0] == group)
                    & (whole.keys["label"] == label)
                    & (whole.keys["tenth"] == tenth)
                )
                for name in ("n", "s"):
                    assert coarse.sums[name][mine].sum() == whole.sums[name][theirs].sum()

"""Pairing is settled by hashes alone, adds up over shards, and day effects are seen on the baseline."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.monitor.blocks import block_shape, choose_unit, first_digit, pair, window_counts


def plain_pair(keys, in_group, outcome, a, b):
    """The definition, row by row: digits by hex text, both sides in the order of the hex text."""
    table = np.zeros((a + 1) * (b + 1), int)
    rows = sorted(zip((f"{k:016x}" for k in keys), in_group, outcome, strict=True))
    for digit in "0123456789abcdef":
        sides = [[y for k, g, y in rows if k[0] == digit and g == want] for want in (True, False)]
        while len(sides[0]) >= a and len(sides[1]) >= b:
            j, k = sum(sides[0][:a]), sum(sides[1][:b])
            sides = [sides[0][a:], sides[1][b:]]
            table[j * (b + 1) + k] += 1
    return table


def rows(seed, n):
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**64, n, np.uint64)
    return keys, rng.random(n) < 0.3, (rng.random(n) < 0.4).astype(int)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300), st.sampled_from([(1, 1), (1, 4), (3, 1)]))
def test_pairing_is_its_definition(seed, n, shape):
    keys, group, outcome = rows(seed, n)
    expected = plain_pair([int(k) for k in keys], group.tolist(), outcome.tolist(), *shape)
    assert pair(keys, group, outcome, *shape).tolist() == expected.tolist()


@given(st.integers(0, 10**6))
def test_order_of_arrival_does_not_matter_and_shards_of_digits_add_up(seed):
    keys, group, outcome = rows(seed, 400)
    whole = pair(keys, group, outcome, 1, 3)
    mixed = np.random.default_rng(seed).permutation(400)
    assert pair(keys[mixed], group[mixed], outcome[mixed], 1, 3).tolist() == whole.tolist()
    shard = first_digit(keys) % 4
    parts = [pair(keys[shard == i], group[shard == i], outcome[shard == i], 1, 3) for i in range(4)]
    assert sum(parts).tolist() == whole.tolist()


def test_outcomes_do_not_decide_who_meets_whom():
    keys, group, outcome = rows(1, 500)
    assert pair(keys, group, outcome, 1, 4).sum() == pair(keys, group, 1 - outcome, 1, 4).sum()


def test_the_majority_gives_more_rows_to_a_block():
    assert block_shape(40, 160) == (1, 4)
    assert block_shape(160, 40) == (4, 1)
    assert block_shape(1, 1_000) == (1, 5)
    assert block_shape(0, 0) == (1, 5)


def days(rng, shared):
    table = []
    for _ in range(120):
        p, q = np.clip(0.3 + rng.normal(0, shared, 2), 0.01, 0.99)
        group, reference = rng.random(40) < p, rng.random(160) < q
        table.append(window_counts(np.r_[np.ones(40, bool), np.zeros(160, bool)], np.r_[group, reference]))
    return table


def test_day_effects_make_a_window_one_block():
    chosen = [choose_unit(days(np.random.default_rng(i), 0.05)).unit for i in range(40)]
    assert chosen.count("window") >= 38
    calm = [choose_unit(days(np.random.default_rng(i), 0.0)).unit for i in range(40)]
    assert calm.count("rows") >= 28


def test_a_baseline_without_days_is_said_to_be_unchecked():
    choice = choose_unit(np.zeros((0, 4)))
    assert choice.unit == "rows"
    assert choice.ratio is None
    assert "not checked" in choice.words

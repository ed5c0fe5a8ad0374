"""The two parts add up to the whole, and each is zero where it should be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.monitor.changes import changes
from audit.monitor.decompose import decompose, gap_change
from audit.monitor.judge import assess
from audit.monitor.tables import Tables
from audit.result import Cell
from tests.monitor.make import SELECTION

strata = st.dictionaries(
    st.sampled_from([("a",), ("b",), ("c",), (None,)]),
    st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))),
)


@given(strata, strata)
def test_mix_and_within_are_the_whole_change(before, after):
    change = decompose(before, after)
    if change.total is None:
        assert change.why
        return
    assert change.mix + change.within == pytest.approx(change.total, abs=1e-12)
    assert sum(m + w for _, m, w in change.strata) == pytest.approx(change.after - change.before, abs=1e-12)
    back = decompose(after, before)
    assert (back.mix, back.within) == pytest.approx((-change.mix, -change.within), abs=1e-12)


@given(strata)
def test_the_same_rates_of_other_people_are_mix_alone(before):
    after = {
        group: (3 * k, 3 * n) if i % 2 else (k, n)
        for i, (group, (k, n)) in enumerate(sorted(before.items(), key=str))
    }
    change = decompose(before, after)
    if change.total is not None:
        assert change.within == pytest.approx(0, abs=1e-12)


def test_the_same_people_treated_otherwise_are_within_alone():
    change = decompose({("a",): (10, 100), ("b",): (40, 50)}, {("a",): (40, 200), ("b",): (60, 100)})
    assert change.mix == pytest.approx(0)
    assert change.total == pytest.approx(100 / 300 - 50 / 150)


def test_a_stratum_on_one_side_is_mix_and_is_said():
    change = decompose({("a",): (10, 100)}, {("a",): (10, 100), ("new",): (90, 100)})
    assert change.within == pytest.approx(0)
    assert change.unmatched == 0.5


def test_no_rows_is_not_no_change():
    assert decompose({}, {("a",): (1, 2)}).why == "no rows before"
    assert gap_change(({("a",): (1, 2)}, {("a",): (1, 2)}), ({}, {})).why == "no rows before in the reference"


def test_the_change_of_a_gap_is_the_difference_of_changes():
    group = ({("a",): (30, 100), ("b",): (10, 100)}, {("a",): (30, 100), ("b",): (30, 300)})
    same = ({("a",): (30, 100), ("b",): (10, 100)},) * 2
    change = gap_change(group, same)
    assert change.total == pytest.approx(60 / 400 - 40 / 200)
    assert change.within == pytest.approx(0)


def test_of_a_difference_it_is_the_gap_that_is_split():
    def cells(good, group):
        return [
            Cell(("sex", "age"), (group, "old"), (), None, 1, good),
            Cell(("sex", "age"), (group, "old"), (), None, 0, 100 - good),
        ]

    audited = [*cells(40, "F"), *cells(40, "M")]
    live = (("F", 1, 40), ("F", 0, 60), ("M", 1, 70), ("M", 0, 30))
    rows = [(3, (group, "old"), None, None, yhat, n) for group, yhat, n in live]
    table = Tables()
    table.add(SELECTION.id, 3, [1] * 10)
    one = replace(assess([SELECTION], table, mean_run=7_300)[0], alarm=3, since=3)
    gap = changes([one], audited, {"predictions": rows, "labels": []}, ("sex", "age"))[SELECTION.id]
    assert (gap.before, gap.after) == pytest.approx((0.0, -0.3))
    assert (gap.mix, gap.within) == pytest.approx((0.0, -0.3))
    fixed = replace(one, stream=replace(SELECTION, comparison="rate", reference="baseline"))
    own = changes([fixed], audited, {"predictions": rows, "labels": []}, ("sex", "age"))[SELECTION.id]
    assert (own.before, own.total) == pytest.approx((0.4, 0.0))

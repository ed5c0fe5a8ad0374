"""The plan of watching: blocks settled on a time in which all was well, and the choice in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.errors import UsageError
from audit.monitor.baseline import History, plan, window_table
from audit.monitor.mapping import Attribute, Mapping
from audit.monitor.settings import Settings
from tests.monitor.make import SELECTION, TPR
from tests.report.sample import sample_result

RESULT = sample_result()
MAPPING = Mapping({a.name: Attribute(a.name) for a in RESULT.data.attributes})
SETTINGS = Settings(MAPPING, 86_400, 0, 0, None, 0.05, 0.02, "auto")


def history(spread, seed=0):
    """Outcomes of 90 days in which each day's rates differ by `spread` from group to group."""
    rng, rows = np.random.default_rng(seed), []
    for day in range(90):
        found = {cell.group for cell in RESULT.cells if cell.grouping == SETTINGS.attributes}
        for group in sorted(found or groups()):
            n = 400
            good = int(rng.binomial(n, np.clip(0.4 + rng.normal(0, spread), 0.01, 0.99)))
            rows += [(day, group, None, None, 1, good), (day, group, None, None, 0, n - good)]
    return rows


def groups():
    first, *others = RESULT.data.attributes
    return {(value, *(a.values[0] for a in others)) for value in first.values}


def test_days_that_differ_make_window_blocks_and_calm_ones_rows():
    name = RESULT.data.attributes[0].name
    for spread, expected in ((0.15, "window"), (0.0, "rows")):
        plans = [plan(RESULT, SETTINGS, History(history(spread, seed))) for seed in range(6)]
        streams = [s for made in plans for s in made.streams]
        units = [s.unit for s in streams if s.metric == "selection_rate" and s.attribute == name]
        assert units.count(expected) >= 0.6 * len(units) > 0
        for made in plans:
            assert [s.unit for s in made.streams] == [choice.unit for _, choice in made.choices]


def test_without_a_history_the_plan_says_that_nothing_was_checked():
    made = plan(RESULT, SETTINGS)
    assert made.streams
    assert all(choice.unit == "rows" and "not checked" in choice.words for _, choice in made.choices)


def test_the_spec_can_settle_the_block():
    made = plan(RESULT, replace(SETTINGS, blocks="window"))
    assert {s.unit for s in made.streams} == {"window"}


def test_events_without_an_attribute_of_the_audit_are_refused():
    with pytest.raises(UsageError, match="the events have not"):
        plan(RESULT, replace(SETTINGS, mapping=Mapping({})))


def test_the_table_counts_group_and_reference_by_window():
    rows = [
        (1, ("F", "x"), None, 1, 1, 3),
        (1, ("F", "y"), None, 1, 0, 2),
        (1, ("M", "x"), "2", 1, 1, 5),
        (2, ("M", "x"), None, 0, 1, 7),
        (2, (None, "x"), None, None, 0, 4),
    ]
    assert window_table(SELECTION, rows, ("sex", "age")).tolist() == [[3, 5, 5, 5], [0, 0, 7, 11]]
    assert window_table(TPR, rows, ("sex", "age")).tolist() == [[3, 5, 5, 5]]
    rate = replace(TPR, comparison="rate", reference="baseline")
    assert window_table(rate, rows, ("sex", "age")).tolist() == [[3, 5]]

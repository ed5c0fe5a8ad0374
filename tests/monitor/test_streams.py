"""An audit's rules become streams: bounds from the policy, the baseline with its sampling error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import binom

from audit.monitor.streams import later_weight, weights
from audit.monitor.watched import from_result
from tests.report.sample import sample_result


@pytest.fixture(scope="module")
def result():
    return sample_result()


def test_every_group_but_the_reference_is_watched_under_every_rule(result):
    streams, skipped = from_result(result, baseline=False)
    watched = {(s.rule, s.attribute, s.group) for s in streams}
    for rule in result.policy.rules:
        if any(note.what == rule.id for note in skipped):
            continue
        for attribute in result.data.attributes:
            if rule.attributes and attribute.name not in rule.attributes:
                continue
            groups = {group for r, a, group in watched if (r, a) == (rule.id, attribute.name)}
            assert groups <= set(attribute.values)
            assert len(set(attribute.values) - groups) <= 1


def test_weights_leave_a_reserve_for_groups_that_appear_later(result):
    streams, _ = from_result(result)
    assert sum(s.weight for s in streams) + sum(later_weight(i) for i in range(1, 2_000)) <= 1
    assert sum(s.weight for s in streams) == pytest.approx(0.9)
    assert weights(200) == pytest.approx(0.0045)


def test_the_baseline_bounds_hold_the_sampling_error(result):
    streams, _ = from_result(result, tolerance=0.0)
    frozen = [s for s in streams if s.reference == "baseline" and s.metric == "selection_rate"]
    assert frozen
    for stream in frozen:
        cells = [
            c
            for c in result.cells
            if dict(zip(c.grouping, c.group, strict=True)).get(stream.attribute) == stream.group
        ]
        narrow = min((c.grouping for c in cells), key=lambda g: (len(g), g))
        cells = [c for c in cells if c.grouping == narrow]
        n = sum(c.n for c in cells)
        good = sum(c.n for c in cells if c.prediction == 1)
        assert stream.lower < good / n < stream.upper
        assert binom.cdf(good, n, stream.upper) == pytest.approx(stream.weight * 0.05 / 4, rel=1e-6)
        assert (stream.fine_upper, stream.fine_lower) == (stream.lower, stream.upper)


def test_what_is_not_a_share_of_rows_is_said_not_to_be_watched(result):
    rule = replace(result.policy.rules[0], id="odd", comparison="pairs")
    odd = replace(result, policy=replace(result.policy, rules=(rule,)))
    streams, skipped = from_result(odd)
    assert streams == ()
    assert [(note.what, "not watched" in note.why) for note in skipped] == [
        ("odd", True),
        ("the distribution of scores", False),
    ]


def test_label_metrics_wait_for_labels(result):
    by_metric = {s.metric: s.needs_label for s in from_result(result)[0]}
    assert by_metric["selection_rate"] is False
    assert all(waits for metric, waits in by_metric.items() if metric.startswith(("true_", "false_")))

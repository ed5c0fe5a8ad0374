"""Selective labels are said to be so, and only for the metrics that they leave unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.monitor.coverage import coverage, not_identifiable
from tests.monitor.make import SELECTION, TPR

PPV = replace(TPR, id="ppv", numerator=frozenset({(1, 1)}), denominator=frozenset({(0, 1), (1, 1)}))


def closed(selected, refused, group="F"):
    rows = []
    for yhat, share in ((1, selected), (0, refused)):
        labelled = round(100 * share)
        rows += [
            (1, (group, "x"), None, 1, yhat, labelled),
            (1, (group, "x"), None, None, yhat, 100 - labelled),
        ]
    return rows


@pytest.mark.parametrize(("refused", "known"), [(0.0, False), (0.3, False), (0.6, True), (0.9, True)])
def test_labels_of_the_selected_alone_leave_rates_over_a_label_unknown(refused, known):
    covered = coverage(closed(0.9, refused), ("sex", "region"))
    assert (not_identifiable(TPR, covered) is None) is known
    assert not_identifiable(PPV, covered) is None
    assert not_identifiable(SELECTION, covered) is None


def test_the_reference_counts_too_and_others_do_not():
    covered = coverage(closed(0.9, 0.9) + closed(0.9, 0.0, "M"), ("sex", "region"))
    assert "sex=M" in (not_identifiable(TPR, covered) or "")
    named = replace(TPR, reference="X")
    assert not_identifiable(named, covered) is None


def test_no_labels_at_all_are_low_coverage_and_not_selection():
    assert not_identifiable(TPR, coverage(closed(0.0, 0.0), ("sex", "region"))) is None


def test_coverage_counts_every_row_once_per_attribute():
    covered = coverage(closed(0.5, 0.2) + closed(1.0, 1.0, None), ("sex", "region"))
    for attribute in ("sex", "region"):
        mine = [c for c in covered if c.attribute == attribute]
        assert (sum(c.rows for c in mine), sum(c.labelled for c in mine)) == (400, 270)

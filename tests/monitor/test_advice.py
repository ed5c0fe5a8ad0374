"""What is expected before labels come: the audit's rates if nothing changed, others if selection did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.monitor.advice import advise
from audit.result import Cell
from tests.monitor.make import SELECTION, TPR

STREAM = replace(TPR, reference="baseline", comparison="rate")


def cell(label, yhat, n, group="F"):
    return Cell(("sex",), (group,), (), label, yhat, n)


CELLS = [
    cell(1, 1, 80),
    cell(0, 1, 20),
    cell(1, 0, 30),
    cell(0, 0, 70),
    cell(1, 1, 999, "M"),
    cell(None, 1, 50),
]


def waiting(selected, refused):
    return [
        (5, ("F",), None, None, 1, selected),
        (5, ("F",), None, None, 0, refused),
        (5, ("M",), None, None, 1, 9),
    ]


def test_with_the_audits_selection_the_audits_rate_is_expected():
    (one,) = advise([STREAM], CELLS, waiting(100, 100), ["sex"])
    assert one.audited == pytest.approx(80 / 110)
    assert one.expected == pytest.approx(one.audited)
    assert one.rows == 200


def test_fewer_selected_means_fewer_of_the_deserving():
    (one,) = advise([STREAM], CELLS, waiting(50, 150), ["sex"])
    assert one.expected == pytest.approx(50 * 0.8 / (50 * 0.8 + 150 * 0.3))


def test_nothing_is_said_where_nothing_can_be():
    ppv = replace(STREAM, denominator=frozenset({(0, 1), (1, 1)}))
    selection = replace(SELECTION, reference="baseline", comparison="rate")
    few = [cell(1, 1, 3), cell(0, 1, 3), cell(1, 0, 30), cell(0, 0, 70)]
    assert advise([ppv, selection, TPR], CELLS, waiting(100, 100), ["sex"]) == ()
    assert advise([STREAM], CELLS, waiting(10, 10), ["sex"]) == ()
    assert advise([STREAM], few, waiting(100, 100), ["sex"]) == ()
    assert advise([STREAM], CELLS, [], ["sex"]) == ()

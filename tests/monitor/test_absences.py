"""Silence is an alarm where enough was due, and none where it was not."""

from __future__ import annotations

from audit.monitor.absences import absent_groups, drought, late_evaluation, stalled
from audit.result import Attribute

SEX = Attribute("sex", None, "largest", ("M", "F", None), (700, 290, 10))


def rows(days, groups):
    return [(day, (group,), None, None, 1, n) for day in days for group, n in groups.items() if n]


def test_a_group_that_stops_is_missed_once_ten_rows_were_due():
    closed = rows(range(10), {"M": 70, "F": 30, None: 1})
    assert absent_groups([SEX], closed, at=1) == []
    entries = absent_groups([SEX], closed + rows(range(10, 12), {"M": 70}), at=1)
    assert [(e.facts["kind"], e.facts["subject"], e.window) for e in entries] == [
        ("absent_group", "sex=F", 10)
    ]
    again = absent_groups([SEX], closed + rows(range(10, 15), {"M": 70}), at=9)
    assert [e.alarm for e in again] == [e.alarm for e in entries]


def test_a_small_group_may_be_quiet_for_a_while():
    closed = rows(range(9), {"M": 70, "F": 30})
    assert absent_groups([SEX], closed, at=1) == []
    entries = absent_groups([SEX], rows(range(40), {"M": 70, "F": 30}), at=1)
    assert [e.facts["subject"] for e in entries] == ["sex=(missing)"]


def test_no_window_at_all_is_left_to_the_stall():
    assert absent_groups([SEX], [], at=1) == []
    assert stalled(None, 5, source="log", at=1)[0].window == 5
    assert stalled(5, 5, source="log", at=1) == []
    assert stalled(3, 5, source="log", at=1)[0].facts["kind"] == "stalled_events"


def test_an_evaluation_that_is_due_is_missed():
    assert late_evaluation(4, 5, at=1) == []
    assert late_evaluation(2, 5, at=1)[0].window == 3


def labelled(day, known, unknown):
    return [(day, ("F",), None, 1, 1, known), (day, ("F",), None, None, 1, unknown)]


def test_labels_that_dry_up_are_missed():
    before = [row for day in range(5) for row in labelled(day, 80, 20)]
    assert drought(before, at=1) == []
    assert drought(before + labelled(5, 60, 40), at=1) == []
    assert drought(before + labelled(5, 20, 80), at=1)[0].window == 5
    assert drought(before + labelled(5, 1, 9), at=1) == []
    assert drought(labelled(5, 0, 90), at=1) == []

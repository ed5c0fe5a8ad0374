"""An alarm's life: each act with a name and a reason, nothing forgotten, nothing opened twice."""

from __future__ import annotations

import pytest

from audit.errors import UsageError
from audit.monitor.alarms import act, disparities, fold, opened, read, record, restarts
from audit.monitor.judge import assess
from audit.monitor.ledger import Ledger
from tests.monitor.make import SELECTION
from tests.monitor.test_judge import year

DAY = 86_400
WHO = {"by": "Ada", "reason": "a data fault, ticket 12"}


def alarmed(restart=None):
    tables = year([-0.3] * 100 + [0.0] * 20 + [-0.3] * 60)
    return assess([SELECTION], tables, mean_run=7_300, restarts=restart or {})


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


def test_an_alarm_opens_once_and_says_what_it_saw(ledger):
    entries = disparities(alarmed(), read(ledger), at=100)
    assert record(ledger, entries) == 1
    assert record(ledger, entries) == 0
    (alarm,) = read(ledger)
    assert (alarm.subject, alarm.state(200), alarm.window) == (SELECTION.id, "open", alarmed()[0].alarm)
    assert alarm.entries[0].facts["value"] == pytest.approx(alarmed()[0].value)
    assert "sex=F against rest" in alarm.words
    assert disparities(alarmed(), read(ledger), at=300) == []


def test_a_waiver_ends_and_the_alarm_is_armed_again(ledger):
    record(ledger, disparities(alarmed(), (), at=0))
    record(ledger, [act(read(ledger)[0], "waived", at=10, until=10 + DAY, **WHO)])
    (alarm,) = read(ledger)
    assert [alarm.state(t) for t in (11, 10 + DAY)] == ["waived", "open"]
    record(ledger, [act(alarm, "acknowledged", at=20 + DAY, **WHO)])
    assert read(ledger)[0].state(30 + DAY) == "acknowledged"
    assert [e.action for e in read(ledger)[0].entries] == ["opened", "waived", "acknowledged"]
    assert {e.by for e in read(ledger)[0].entries} == {"monitor", "Ada"}


def test_closing_begins_a_new_epoch_in_which_a_new_alarm_can_open(ledger):
    record(ledger, disparities(alarmed(), (), at=0))
    record(ledger, [act(read(ledger)[0], "closed", at=5, window=110, **WHO)])
    assert restarts(read(ledger)) == {SELECTION.id: 111}
    again = alarmed(restarts(read(ledger)))
    assert again[0].alarm > 120
    assert record(ledger, disparities(again, read(ledger), at=9)) == 1
    assert [a.closed for a in read(ledger)] == [True, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "waived"}, "needs an end"),
        ({"action": "waived", "until": 5}, "needs an end"),
        ({"action": "waived", "until": 10 + 400 * DAY}, "within a year"),
        ({"action": "acknowledged", "reason": " "}, "a name and a reason"),
        ({"action": "acknowledged", "by": ""}, "a name and a reason"),
        ({"action": "closed"}, "the last window"),
        ({"action": "forgotten"}, "no act"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    (alarm,) = fold(disparities(alarmed(), (), at=0))
    with pytest.raises(UsageError, match=words):
        act(alarm, **({"at": 10, **WHO} | change))


def test_a_closed_alarm_stays_closed():
    entries = disparities(alarmed(), (), at=0)
    entries.append(act(fold(entries)[0], "closed", at=5, window=9, **WHO))
    with pytest.raises(UsageError, match="is closed"):
        act(fold(entries)[0], "acknowledged", at=6, **WHO)


def test_an_absence_is_an_alarm_of_its_own_kind():
    entry = opened("absent_group", "sex=F", severity="major", words="no events for 3 windows", window=7, at=1)
    assert fold([entry])[0].kind == "absent_group"
    with pytest.raises(UsageError, match="no kind"):
        opened("boredom", "x", severity="minor", words="", window=None, at=1)

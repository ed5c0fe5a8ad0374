"""One evaluation from events to verdict: fires, stays quiet, and does not pass where nothing is known."""

from __future__ import annotations

import pytest

from audit.errors import UsageError
from audit.monitor import acts, alarms, page
from audit.monitor.frozen import freeze
from audit.monitor.watch import Watch
from audit.result import Verdict
from audit.spec import load
from tests.monitor.log import DAY, START
from tests.monitor.project import make_project, opened, write_days


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"))


def test_without_a_baseline_it_says_what_to_type(project, tmp_path):
    watch = Watch(load(project / "audit.yaml"), ledger=f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(UsageError, match="monitor baseline BUNDLE"):
        watch.evaluate()


def test_nothing_received_is_inconclusive_and_then_an_alarm(project, tmp_path):
    watch = opened(project, tmp_path)
    first = watch.evaluate(now=START + 3_600)
    assert (first.verdict, first.alarms) == (Verdict.INCONCLUSIVE, ())
    later = watch.evaluate(now=START + 4 * DAY)
    assert later.verdict is Verdict.INCONCLUSIVE
    assert "stalled_events" in {alarm.kind for alarm in later.alarms}


def test_equal_treatment_becomes_a_pass_by_evidence(project, tmp_path):
    watch = opened(project, tmp_path)
    write_days(tmp_path / "logs", 10, per_day=2_000)
    assert watch.ingest(whole=True).problems == []
    found = watch.evaluate(now=START + 11 * DAY + 5_000)
    assert found.open_alarms() == ()
    assert found.verdict is Verdict.PASS, found.why


def test_a_drop_opens_an_alarm_with_its_change_and_its_acts(project, tmp_path):
    watch = opened(project, tmp_path)
    write_days(tmp_path / "logs", 20, rate=lambda day, sex: 0.2 if sex == "F" and day >= 8 else 0.4)
    watch.ingest(whole=True)
    now = START + 20 * DAY + 7_200
    found = watch.evaluate(now=now)
    assert found.verdict is Verdict.VIOLATION
    mine = [a for a in found.alarms if a.subject == "selection_rate|selection_rate|sex=F|baseline"]
    assert len(mine) == 1
    since = mine[0].entries[0].facts["since"]
    assert abs(int(str(since)) - (START // DAY + 8)) <= 2
    change = found.changes[mine[0].subject]
    assert change.within < -0.12
    assert abs(change.mix) < 0.02
    assert mine[0].subject in found.listed
    assert 0 < len(found.listed) < len(found.assessments)
    text = page.render(found, watch, ())
    assert text.count("<small>listed</small>") == len(found.listed)
    assert "The group&#39;s rate moved by" in text
    again = watch.evaluate(now=now + 60)
    assert again.new == ()
    for alarm in found.alarms:
        acts.act(watch.ledger, alarm.id[:24], "waived", by="Ada", reason="known", at=now, until=now + DAY)
    assert watch.evaluate(now=now + 120).verdict is Verdict.INCONCLUSIVE
    assert watch.evaluate(now=now + DAY - 5_000).verdict is not Verdict.PASS
    acts.act(watch.ledger, mine[0].id, "rearmed", by="Ada", reason="not so known", at=now + 200)
    assert watch.evaluate(now=now + 240).verdict is Verdict.VIOLATION
    for alarm in alarms.read(watch.ledger):
        acts.act(watch.ledger, alarm.id, "closed", by="Ada", reason="mended", at=now + 300)
    assert watch.evaluate(now=now + 360).verdict is Verdict.INCONCLUSIVE


def test_a_group_that_the_audit_did_not_have_is_watched_from_the_next_evaluation(project, tmp_path):
    watch = opened(project, tmp_path)
    write_days(tmp_path / "logs", 2, regions="NSX")
    watch.ingest(whole=True)
    found = watch.evaluate(now=START + 2 * DAY + 7_200)
    assert found.later == (("region", "X"),)
    mine = [one for one in found.assessments if one.stream.group == "X"]
    assert {one.stream.reference for one in mine} <= {"N", "S"}
    assert mine
    total = sum(one.stream.weight for one in found.assessments)
    assert total <= 1


def test_the_same_baseline_again_changes_nothing_and_another_is_refused(project, tmp_path):
    watch = opened(project, tmp_path)
    write_days(tmp_path / "logs", 2)
    watch.ingest(whole=True)
    watch.evaluate(now=START + 3 * DAY)
    again = freeze(
        watch.ledger, watch.frozen.result, b"{}", watch.frozen.bundle_id, watch.settings, now=START + 9
    )
    assert again.begun == START
    with pytest.raises(UsageError, match="--ledger"):
        freeze(watch.ledger, watch.frozen.result, b"{}", "another", watch.settings, now=START)


def test_a_broken_file_stops_no_other(project, tmp_path):
    watch = opened(project, tmp_path)
    write_days(tmp_path / "logs", 1)
    (tmp_path / "logs" / "0.parquet").write_bytes(b"PAR1 and no more")
    taken = watch.ingest(whole=True)
    assert taken.received == 800
    assert len(taken.problems) == 1
    assert "not a Parquet file" in taken.problems[0]

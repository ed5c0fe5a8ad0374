"""A flood of invented names stops the watch of no audited group, on either database, with several writers."""

from __future__ import annotations

import json
from threading import Thread

import numpy as np
import pytest

from audit import bundle
from audit.cli import monitor_words
from audit.monitor import exporter, happenings, page
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.readings import outcomes
from audit.monitor.replay import replay
from tests.monitor.log import DAY, MAPPING, NOW, START, iso
from tests.monitor.project import events_of_day, make_project, opened
from tests.needs import needs_extra

AUDITED = ({"F", "M", None}, {"under 25", "25 to under 65", None})
ROOM = 10


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("audit.monitor.cells.MAX_CELLS", ROOM)
    monkeypatch.setattr("audit.monitor.happenings.MAX_CELLS", ROOM)


def expecting(url):
    ledger = Ledger(url)
    ledger.expect(AUDITED)
    return ledger


def row(name, *, sex="F", version="1", age=30):
    return {
        "event_id": name,
        "event_time": iso(START),
        "sex": sex,
        "age": age,
        "prediction": 1,
        "label": 1,
        "model_version": version,
    }


def send(ledger, folder, name, rows):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return ingest_file(ledger, path, Normaliser(MAPPING, threads=1), now=NOW)


def balanced(tallies):
    refused = sum(n for name, n in tallies.items() if name.startswith("rejected."))
    return tallies["received"] == tallies["accepted"] + tallies.get("duplicate", 0) + refused


def test_audited_groups_of_a_new_version_have_room_after_a_flood(url, tmp_path, small):
    ledger = expecting(url)
    send(ledger, tmp_path, "flood", [row(f"x{i}", sex=f"g{i}") for i in range(30)])
    assert ledger.tallies()["rejected.too_many_groups"] == 30 - ROOM
    new = [row(f"{sex}{age}", sex=sex, age=age, version="2") for sex in "FM" for age in (20, 30, None)]
    send(ledger, tmp_path, "new", new)
    found = ledger.tallies()
    assert found["accepted"] == ROOM + len(new)
    assert found["rejected.too_many_groups"] == 30 - ROOM
    assert found["labels"] == found["predictions"] == ROOM + len(new)
    assert {cell for cell in ledger.cells().values() if cell[0] == "2"} == {
        ("2", (sex, age)) for sex in "FM" for age in ("under 25", "25 to under 65", None)
    }
    send(ledger, tmp_path, "one invented", [row("y", version="3", age=80)])
    assert ledger.tallies()["rejected.too_many_groups"] == 31 - ROOM
    assert balanced(ledger.tallies())
    ledger.close()


def test_a_flood_of_versions_loses_the_versions_name_and_no_row(url, tmp_path, small):
    ledger = expecting(url)
    send(ledger, tmp_path, "a", [row(f"x{i}", version=f"v{i:02}") for i in range(30)])
    send(ledger, tmp_path, "b", [row("again", version="v00"), row("late", sex="M", version="new")])
    found = ledger.tallies()
    assert found["accepted"] == found["received"] == 32
    assert found["versions_unnamed"] == 30 - ROOM + 1
    named = {version for version, _ in ledger.cells().values() if version is not None}
    assert named == {f"v{i:02}" for i in range(ROOM)}
    assert len(ledger.cells()) == ROOM + 2
    ledger.close()


def test_without_a_baseline_every_group_shares_the_room(url, tmp_path, small):
    ledger = Ledger(url)
    send(ledger, tmp_path, "a", [row(f"x{i}", sex=f"g{i}") for i in range(30)])
    send(ledger, tmp_path, "b", [row("F")])
    found = ledger.tallies()
    assert (found["accepted"], found["rejected.too_many_groups"]) == (ROOM, 21)
    ledger.close()


def test_several_instances_share_one_room(url, tmp_path, small):
    expecting(url).close()
    ledgers = [expecting(url) for _ in range(3)]

    def flood(number):
        for part in range(6):
            rows = [row(f"{number}-{part}-{i}", sex=f"g{number}-{part}-{i}") for i in range(4)]
            rows.append(row(f"{number}-{part}", version=f"v{part % 3}"))
            send(ledgers[number], tmp_path, f"{number}-{part}", rows)

    threads = [Thread(target=flood, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, cells = ledgers[0].tallies(), list(ledgers[0].cells().values())
    audited = [cell for cell in cells if cell[1][0] in AUDITED[0]]
    assert (found["received"], found["rejected.too_many_groups"]) == (90, 72 - ROOM)
    assert (len(audited), len(cells) - len(audited)) == (3, ROOM)
    assert len(set(cells)) == len(cells)
    assert balanced(found)
    for ledger in ledgers:
        ledger.close()


def test_a_batch_that_is_rolled_back_leaves_no_cell_behind(url, tmp_path, small, monkeypatch):
    ledger = expecting(url)
    with monkeypatch.context() as patch:
        patch.setattr("audit.monitor.ledger.take_labels", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(ledger, tmp_path, "a", [row(f"x{i}", sex=f"g{i}") for i in range(ROOM)])
    assert ledger.cells() == {}
    send(ledger, tmp_path, "b", [row(f"y{i}", sex=f"h{i}") for i in range(ROOM)])
    assert ledger.tallies()["accepted"] == ROOM == len(ledger.cells())
    ledger.close()


def test_names_longer_than_an_index_takes_stop_nobody(url, tmp_path):
    rng, ledger = np.random.default_rng(1), Ledger(url)
    sex, version = ("".join(map(chr, rng.integers(0x10000, 0x10FFF, 256))) for _ in range(2))
    rows = [row(str(i), sex=sex[i:] + "ab"[:i], version=version) for i in range(3)]
    send(ledger, tmp_path, "a", [*rows, row("F")])
    send(ledger, tmp_path, "b", [{**rows[0], "event_id": "again"}])
    assert ledger.tallies()["accepted"] == 5
    assert len(ledger.cells()) == 4
    ledger.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"))


def flooded(day):
    return [
        {**event, "sex": f"invented{i}"}
        for i, event in enumerate(events_of_day(day, per_day=40, labels=False, start=START))
    ]


def write(watch, day, events):
    text = "".join(json.dumps(event) + "\n" for event in events)
    (watch.folder / f"{day:04d}-{len(events)}.jsonl").write_text(text)
    assert watch.ingest(whole=True).problems == []


def test_a_flood_is_an_alarm_that_ends_by_itself(project, tmp_path, small):
    watch = opened(project, tmp_path)
    now = START + 2 * DAY + 5_000
    write(watch, 0, flooded(0))
    write(watch, 1, [{**e, "model_version": "2"} for e in events_of_day(1, per_day=300)])
    found = watch.evaluate(now=now)
    alarm = next(a for a in found.open_alarms() if a.kind == "group_flood")
    assert alarm.words.startswith("30 events refused so far")
    assert found.verdict.value == "inconclusive"
    assert found.tallies["rejected.too_many_groups"] == 40 - ROOM
    assert (
        sum(n for win, _, _, _, _, n in outcomes(watch.ledger, "predictions") if win == START // DAY + 1)
        == 300
    )
    assert alarm.words in page.render(found, watch, ())
    needs_extra("prometheus_client")
    text = exporter.render(found, found.tallies).decode()
    assert 'harm_audit_alarms_by_state{kind="group_flood",state="open"} 1.0' in text
    again = watch.evaluate(now=now + DAY)
    assert "group_flood" in {a.kind for a in again.open_alarms()}
    over = watch.evaluate(now=now + 2 * DAY)
    assert "group_flood" not in {a.kind for a in over.open_alarms()}
    ended = next(a for a in over.alarms if a.kind == "group_flood").entries[-1]
    assert (ended.action, ended.by, ended.reason) == ("closed", "monitor", happenings.over("group_flood"))
    watch.close()


def test_a_replay_has_the_same_room_and_says_the_flood(project, tmp_path, small):
    watch = opened(project, tmp_path)
    write(watch, 0, flooded(0))
    write(watch, 1, [{**e, "model_version": "2"} for e in events_of_day(1, per_day=300)])
    write(watch, 2, [{**e, "model_version": f"v{i}"} for i, e in enumerate(events_of_day(2, labels=False))])
    live = watch.evaluate(now=START + 3 * DAY + 5_000)
    found = bundle.read(project / "evidence")
    again = replay(watch.spec, found.id, found.audit_json, watch.frozen.result, [watch.folder])
    assert again.tallies == live.tallies
    assert live.tallies["versions_unnamed"] == 400 - (ROOM - 4)
    assert "group_flood" in {alarm.kind for alarm in again.open_alarms()}
    watch.close()


def test_what_has_no_versions_name_is_said(project, tmp_path, small, capsys):
    watch = opened(project, tmp_path)
    write(watch, 0, [{**e, "model_version": f"v{i}"} for i, e in enumerate(events_of_day(0, labels=False))])
    found = watch.evaluate(now=START + DAY + 5_000)
    monitor_words.tell_ledger(found)
    assert "without the name of their model version: 390" in capsys.readouterr().out
    assert "<dt>Predictions kept without the name of their model version</dt><dd>390</dd>" in page.render(
        found, watch, ()
    )
    needs_extra("prometheus_client")
    assert "harm_audit_versions_unnamed_total 390.0" in exporter.render(found, found.tallies).decode()
    watch.close()

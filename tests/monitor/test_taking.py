"""Batches against a plain dictionary: colliding hashes, repeats after rows were dropped, several writers."""

from __future__ import annotations

import random
from multiprocessing import get_context
from threading import Barrier, Thread
from time import perf_counter

import pytest
from sqlalchemy import text

from audit.errors import DataError, UsageError
from audit.monitor import events as events_module
from audit.monitor import ledger as ledger_module
from audit.monitor import schema, taking
from audit.monitor.closing import close, drop_rows
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.raw import events_table
from audit.monitor.readings import outcomes, tables
from audit.monitor.watch import database_errors
from tests.monitor import worker
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START, Truth, iso, key_of, make_log
from tests.monitor.worker import STREAMS

NORMALISER = Normaliser(MAPPING, threads=1)


def prediction(name, *, day=0, **more):
    plain = {"event_id": name, "event_time": iso(START + day * DAY + 60), "sex": "F", "age": 30}
    return {**plain, "prediction": 1, **more}


def label(name, value=1, *, day=0, revision=0):
    at = iso(START + day * DAY + 120)
    return {"event_id": name, "label": value, "label_time": at, "revision": revision}


def batch(*events):
    return NORMALISER.batch(events_table(events, NORMALISER), now=NOW)


def told(ledger):
    found = ledger.tallies()
    refused = sum(n for name, n in found.items() if name.startswith("rejected."))
    assert found["received"] == found["accepted"] + found.get("duplicate", 0) + refused
    return {name: n for name, n in found.items() if n and name != "received"}


def rows(ledger, table):
    with ledger.engine.begin() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar())


@pytest.fixture
def ledger(url):
    made = Ledger(url)
    yield made
    made.close()


@pytest.fixture
def colliding(monkeypatch):
    """Ids that share the first half of their hash with a dozen others."""
    plain = events_module._hash

    def cut(column):
        halves = plain(column).copy()
        halves[:, 0] %= 7
        return halves

    monkeypatch.setattr(events_module, "_hash", cut)


def test_a_label_within_a_refused_prediction_is_not_kept(ledger, colliding):
    sent = batch(*(prediction(f"e{i}", label=1, label_time=iso(START + 90 + i)) for i in range(20)))
    ledger.ingest(sent)
    found = told(ledger)
    assert found["predictions"] == found["accepted"] == found["labels"] == rows(ledger, "label") <= 7
    assert found["rejected.hash_collision"] == 20 - found["accepted"]
    assert "labels.unmatched" not in found
    ledger.ingest(sent)
    assert told(ledger)["labels"] == found["labels"]
    assert told(ledger)["duplicate"] == found["accepted"]


def test_equal_labels_of_ids_with_one_key_are_two(ledger, colliding):
    names = [f"e{i}" for i in range(20)]
    ledger.ingest(batch(*(label(name) for name in names)))
    assert told(ledger) == {"accepted": 20, "labels": 20, "labels.unmatched": 20}
    ledger.ingest(batch(*(label(name) for name in names)))
    assert told(ledger)["duplicate"] == 20


def test_a_label_stays_where_its_event_came_with_an_invented_group_too(ledger, monkeypatch):
    monkeypatch.setattr("audit.monitor.cells.MAX_CELLS", 1)
    ledger.ingest(batch(prediction("a", label=1), prediction("a", sex="invented", label=1)))
    assert told(ledger) == {
        "accepted": 1,
        "labels": 1,
        "predictions": 1,
        "rejected.too_many_groups": 1,
    }


def test_what_was_made_of_a_request_before_rows_were_dropped_is_too_old(ledger):
    early = batch(prediction("a", label=1), prediction("b", day=3))
    ledger.ingest(early)
    close(ledger, STREAMS, ATTRIBUTES, as_of=START + 9 * DAY)
    assert drop_rows(ledger, START + 2 * DAY) == 1
    ledger.ingest(early)
    found = told(ledger)
    assert (found["accepted"], found["duplicate"], found["rejected.too_old"]) == (2, 1, 1)
    assert found["predictions"] == 2
    assert rows(ledger, "prediction") == 1


def test_a_label_of_a_dropped_prediction_is_not_new_again(ledger):
    late, early = label("a", day=5), label("b", day=0)
    of_kept, lone = label("c", day=4), label("nobody", day=1)
    ledger.ingest(batch(prediction("a"), prediction("b"), prediction("c", day=4), late, early, of_kept, lone))
    close(ledger, STREAMS, ATTRIBUTES, as_of=START + 9 * DAY)
    drop_rows(ledger, START + 2 * DAY)
    assert rows(ledger, "label") == 2
    ledger.ingest(batch(late, early, of_kept, lone))
    found = told(ledger)
    assert (found["accepted"], found["duplicate"], found["rejected.too_old"]) == (7, 2, 2)
    assert found["labels.unmatched"] == 1
    drop_rows(ledger, START + 6 * DAY)
    assert rows(ledger, "label") == 0
    ledger.ingest(batch(late, early, of_kept, lone))
    assert told(ledger)["accepted"] == 7


@pytest.mark.parametrize("seed", range(4))
def test_a_log_sent_again_after_any_drop_brings_nothing_new(ledger, tmp_path, seed):
    log = make_log(days=7, per_day=50, seed=seed, late=0.3, twice=0.2)
    everything = tmp_path / "all.jsonl"
    everything.write_text("".join(f"{line}\n" for day in log.days for line in day))
    for day, lines in enumerate(log.days):
        path = tmp_path / f"{day}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        ingest_file(ledger, path, NORMALISER, now=NOW)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
    truth = told(ledger)
    kept = tables(ledger).to_bytes(), outcomes(ledger, "labels")
    for drop in (0, 2, 5):
        drop_rows(ledger, START + drop * DAY)
        again = tmp_path / f"again{drop}.jsonl"
        again.write_bytes(everything.read_bytes())
        ingest_file(ledger, again, NORMALISER, now=NOW)
        found = told(ledger)
        same = ("accepted", "predictions", "labels", "labels.unmatched")
        assert [found[name] for name in same] == [truth[name] for name in same]
    assert found["rejected.too_old"] > 20
    assert (tables(ledger).to_bytes(), outcomes(ledger, "labels")) == kept


def test_random_batches_equal_a_dictionary(ledger, colliding):
    rng = random.Random(3)
    known, labels, expected = {}, set(), {"duplicate": 0, "rejected.hash_collision": 0}
    for _ in range(25):
        sent = []
        for _ in range(rng.randrange(1, 40)):
            name = f"e{rng.randrange(30)}"
            kind = rng.random()
            sent.append(prediction(name) if kind < 0.5 else label(name, revision=rng.randrange(3)))
        ledger.ingest(batch(*sent))
        for event in sent:
            name = event["event_id"]
            key = int(_key(name)) % 7
            if "prediction" in event:
                first = known.setdefault(key, name)
                if first != name:
                    expected["rejected.hash_collision"] += 1
                elif (name, "seen") in labels:
                    expected["duplicate"] += 1
                labels.add((name, "seen"))
            elif (name, event["revision"]) in labels:
                expected["duplicate"] += 1
            else:
                labels.add((name, event["revision"]))
        found = told(ledger)
        own = {each for each in labels if each[1] != "seen"}
        assert {name: found.get(name, 0) for name in expected} == expected
        assert (found["predictions"], found["labels"]) == (len(known), len(own))
        assert found["accepted"] == len(known) + len(own)
        waiting = sum(name not in known.values() for name, _ in own)
        assert found.get("labels.unmatched", 0) == waiting


def _key(name):
    key = key_of(name)
    return key - 2**64 if key >= 2**63 else key


def test_labels_that_wait_do_not_slow_every_batch_down(ledger):
    n = 25_000
    ledger.ingest(batch(*(label(f"nobody{i}") for i in range(n))))
    some = batch(*(prediction(f"e{i}") for i in range(n)), prediction("nobody7"))
    begun = perf_counter()
    ledger.ingest(some)
    assert perf_counter() - begun < 5
    assert told(ledger)["labels.unmatched"] == n - 1


def test_two_processes_that_read_the_same_events_count_each_once(url, tmp_path):
    log, truth = make_log(days=4, per_day=300, seed=9, late=0.0), Truth(STREAMS)
    lines = [line for day in log.days for line in day]
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder, mine in zip(folders, (lines, lines[::-1]), strict=True):
        folder.mkdir()
        (folder / "all.jsonl").write_text("".join(f"{line}\n" for line in mine))
        truth.read(mine)
    Ledger(url).close()
    context = get_context("forkserver")
    processes = [context.Process(target=worker.take, args=(url, str(folder), 20_000)) for folder in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    ledger = Ledger(url)
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    close(ledger, STREAMS, ATTRIBUTES, as_of=START + 30 * DAY, label_lag=LABEL_LAG)
    truth.close(START + 30 * DAY)
    assert tables(ledger).to_bytes() == truth.table_bytes()
    ledger.close()


def test_of_two_windows_asked_for_at_once_one_holds(url, monkeypatch):
    barrier, refused, plain = Barrier(2), [], schema.open_schema

    def together(engine):
        plain(engine)
        barrier.wait()

    monkeypatch.setattr(ledger_module.schema, "open_schema", together)

    def begin(window):
        try:
            Ledger(url, window=window).close()
        except UsageError as error:
            refused.append((window, str(error)))

    threads = [Thread(target=begin, args=(window,)) for window in (3_600, 86_400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    monkeypatch.setattr(ledger_module.schema, "open_schema", plain)
    other = 90_000 - refused[0][0]
    Ledger(url, window=other).close()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_lost_while_a_batch_is_copied_takes_nothing(url, monkeypatch):
    ledger, killer = Ledger(url), Ledger(url)
    plain = taking._rows

    def cut(columns):
        with killer.engine.begin() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            connection.execute(text(f"{ended} AND datname = current_database()"))
        yield from plain(columns)

    with monkeypatch.context() as patch:
        patch.setattr(taking, "_rows", cut)
        with pytest.raises(DataError, match="the ledger cannot be used"), database_errors(url):
            ledger.ingest(batch(prediction("a")))
    ledger.ingest(batch(prediction("a")))
    assert told(ledger) == {"accepted": 1, "predictions": 1}
    ledger.close()
    killer.close()


def test_what_the_database_says_to_the_driver_is_an_error_in_words(ledger, url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(taking, "_rows", lambda columns: iter([(1, 2)]))
        with pytest.raises(DataError, match="the ledger cannot be used"), database_errors(url):
            ledger.ingest(batch(prediction("a")))
    ledger.ingest(batch(prediction("a")))
    assert told(ledger) == {"accepted": 1, "predictions": 1}

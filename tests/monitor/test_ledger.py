"""The ledger against a plain dictionary: every event once, every count exact, every refusal named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from audit.errors import AuditError, DataError, UsageError
from audit.monitor import files, taking
from audit.monitor.closing import close, drop_rows
from audit.monitor.events import REASONS, Normaliser
from audit.monitor.files import ingest_file, ingest_folder
from audit.monitor.ledger import Ledger
from audit.monitor.readings import lags, outcomes, tables
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START, Truth, iso, make_log
from tests.monitor.make import SELECTION, TPR

STREAMS = [
    SELECTION,
    TPR,
    replace(SELECTION, id="selection|age", attribute="age", group="25 to under 65", a=2, b=1),
    replace(TPR, id="tpr|sex=M", group="M", reference="F", a=1, b=1),
]


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def run(ledger, folder, log, streams=STREAMS, days=None):
    normaliser = Normaliser(MAPPING)
    for day, lines in enumerate(log.days[:days]):
        ingest_file(ledger, write(folder / f"{day:04d}.jsonl", lines), normaliser, now=NOW)
        close(ledger, streams, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)


def truth_of(log, streams=STREAMS):
    truth = Truth(streams)
    for day, lines in enumerate(log.days):
        truth.read(lines)
        truth.close(START + (day + 1) * DAY)
    return truth


def ledger_outcomes(ledger):
    return {
        (cohort, win, str(group[0]), str(group[1]), label, yhat): n
        for cohort in ("predictions", "labels")
        for win, group, _, label, yhat, n in outcomes(ledger, cohort)
    }


def test_a_log_with_everything_that_goes_wrong_equals_the_plain_truth(ledger, tmp_path):
    log = make_log(days=12, per_day=150, seed=1)
    run(ledger, tmp_path, log)
    truth = truth_of(log)
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    assert tables(ledger).to_bytes() == truth.table_bytes()
    assert ledger_outcomes(ledger) == dict(truth.outcome)
    assert truth.counts["late.predictions"] > 10
    assert truth.counts["late.labels"] > 3
    assert truth.tallies()["labels.unmatched"] > 0


def test_received_is_accepted_and_duplicate_and_rejected(ledger, tmp_path):
    run(ledger, tmp_path, make_log(days=4, per_day=100, seed=2))
    found = ledger.tallies()
    rejected = sum(n for name, n in found.items() if name.startswith("rejected."))
    assert found["received"] == found["accepted"] + found["duplicate"] + rejected


def test_the_order_within_open_windows_changes_nothing(tmp_path):
    log, bytes_ = make_log(days=6, per_day=80, seed=3, late=0.0), []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        lines = [line for day in log.days for line in day]
        if name == "other":
            lines.reverse()
        ingest_file(ledger, write(folder / "all.jsonl", lines), Normaliser(MAPPING), now=NOW)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + 30 * DAY, label_lag=LABEL_LAG)
        bytes_.append(tables(ledger).to_bytes())
        ledger.close()
    assert bytes_[0] == bytes_[1] != b"{}"


def test_reading_a_folder_again_takes_nothing_twice(ledger, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    lines = make_log(days=1, per_day=50, seed=5).days[0]
    path = write(folder / "a.jsonl", lines[:20])
    ingest_folder(ledger, folder, MAPPING, now=NOW)
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines[20:]))
    ingest_folder(ledger, folder, MAPPING, now=NOW)
    assert ingest_folder(ledger, folder, MAPPING, now=NOW) == []
    assert ledger.tallies()["received"] == len(lines)


def test_a_replaced_file_is_refused(ledger, tmp_path):
    path = write(tmp_path / "a.jsonl", make_log(days=1, per_day=50).days[0])
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    write(path, ["{}"])
    with pytest.raises(DataError, match="shorter"):
        ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)


def test_two_processes_on_one_file_do_not_count_it_twice(ledger, tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", make_log(days=1, per_day=50).days[0])
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    before = ledger.tallies()
    monkeypatch.setattr(Ledger, "offset", lambda self, source: 0)
    with pytest.raises(DataError, match="another process"):
        ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    assert ledger.tallies() == before


def test_a_line_that_is_not_finished_waits(ledger, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{event('a')}\n{event('b')[:20]}")
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW, whole=False)
    assert ledger.tallies()["received"] == 1
    path.write_text(f"{event('a')}\n{event('b')}\n")
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW, whole=False)
    assert ledger.tallies() == {"accepted": 2, "predictions": 2, "received": 2}


def event(name, **changes):
    plain = {
        "event_id": name,
        "event_time": iso(START),
        "person": name,
        "sex": "F",
        "age": 30,
        "prediction": 1,
    }
    return json.dumps(plain | changes)


HOSTILE = {
    "malformed": ["[1, 2]", "nonsense", '"text"', '{"event_id": "x", "prediction": "\\ud800"}', "{" * 60_000],
    "too_large": [event("x", noise="y" * 70_000)],
    "no_id": [event("", event_id=None), event("")],
    "wrong_type": [
        event("x", sex=["F"]),
        event("x", event_id={"a": 1}),
        event("x", sex="a\x1fb"),
        event("x\x00"),
    ],
    "too_long": [event("x", sex="<script>" * 100), event("y" * 300)],
    "bad_time": [event("x", event_time=t) for t in (None, "yesterday", "2026-13-01", "1e300", "NaN", True)],
    "future": [event("x", event_time=iso(START + 800 * DAY)), event("x", event_time=4e12)],
    "bad_prediction": [event("x", prediction=p) for p in ("banana", 2, "", -1)],
    "bad_label": [
        json.dumps({"event_id": "x", "event_time": iso(START), "label": v}) for v in ("?", None, 7)
    ],
    "bad_revision": [
        json.dumps({"event_id": "x", "event_time": iso(START), "label": 1, "revision": r})
        for r in (-1, "a", 1e30)
    ],
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_events_are_refused_by_name(ledger, tmp_path, reason):
    assert reason in REASONS
    path = write(tmp_path / "a.jsonl", [event("good"), *HOSTILE[reason]])
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    n = len(HOSTILE[reason])
    expected = {"accepted": 1, "predictions": 1, "received": n + 1, f"rejected.{reason}": n}
    assert ledger.tallies() == expected


def test_bytes_that_are_not_text_are_refused_and_their_neighbours_taken(ledger, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(event("a").encode() + b"\n\xff\xfe\n" + event("b").encode() + b"\n\n")
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    assert ledger.tallies() == {"accepted": 2, "predictions": 2, "received": 3, "rejected.malformed": 1}


def test_group_names_are_kept_as_they_are(ledger, tmp_path):
    names = ["<script>alert(1)</script>", "' OR 1=1 --", "Ünï × ∅", "{{7*7}}"]
    path = write(tmp_path / "a.jsonl", [event(f"e{i}", sex=name) for i, name in enumerate(names)])
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    assert {group[0] for _, group in ledger.cells().values()} == set(names)


def test_a_flood_of_groups_is_refused(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr("audit.monitor.cells.MAX_CELLS", 10)
    path = write(tmp_path / "a.jsonl", [event(f"e{i}", sex=f"g{i}", label=1) for i in range(30)])
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    found = ledger.tallies()
    assert (found["accepted"], found["rejected.too_many_groups"], found["labels"]) == (10, 20, 10)


def test_a_collision_is_told_from_a_duplicate(ledger, tmp_path):
    normaliser = Normaliser(MAPPING)
    path = write(tmp_path / "a.jsonl", [event("a")])
    ingest_file(ledger, path, normaliser, now=NOW)
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE prediction SET rest = rest + 1"))
    ingest_file(ledger, write(tmp_path / "b.jsonl", [event("a"), event("b")]), normaliser, now=NOW)
    found = ledger.tallies()
    assert (found["accepted"], found["rejected.hash_collision"], found.get("duplicate")) == (2, 1, None)


def test_the_last_revision_wins_whatever_the_order(tmp_path):
    def label(value, revision):
        return json.dumps(
            {"event_id": "a", "label": value, "revision": revision, "label_time": iso(START + 60)}
        )

    seen = []
    for i, lines in enumerate(([label(0, 0), label(1, 1)], [label(1, 1), label(0, 0)])):
        ledger = Ledger(f"sqlite:///{tmp_path}/{i}.db")
        for name, line in zip("xyz", [lines[0], event("a"), lines[1]], strict=True):
            ingest_file(ledger, write(tmp_path / f"{i}{name}.jsonl", [line]), Normaliser(MAPPING), now=NOW)
        close(ledger, [TPR], ATTRIBUTES, as_of=START + 9 * DAY)
        seen.append([row[3] for row in outcomes(ledger, "labels")])
        assert ledger.tallies()["labels"] == 2
        assert ledger.tallies()["labels.unmatched"] == 0
        ledger.close()
    assert seen == [[1], [1]]


def test_one_row_per_person_enters_a_stream(ledger, tmp_path):
    lines = [event(f"a{i}", person="same", event_time=iso(START + i)) for i in range(40)]
    lines += [event(f"m{i}", person=f"m{i}", sex="M") for i in range(900)]
    ingest_file(ledger, write(tmp_path / "a.jsonl", lines), Normaliser(MAPPING), now=NOW)
    close(ledger, [replace(SELECTION, b=1)], ATTRIBUTES, as_of=START + 2 * DAY)
    assert sum(tables(ledger).dense([SELECTION.id], [START // DAY], 4).ravel()) == 1


def test_dropped_rows_leave_their_counts_and_cannot_come_back(ledger, tmp_path):
    log = make_log(days=6, per_day=60, seed=6)
    run(ledger, tmp_path, log)
    before = tables(ledger).to_bytes(), ledger_outcomes(ledger)
    assert drop_rows(ledger, START + 2 * DAY) > 0
    assert drop_rows(ledger, START + 2 * DAY) == 0
    assert (tables(ledger).to_bytes(), ledger_outcomes(ledger)) == before
    accepted = ledger.tallies()["accepted"]
    again = [
        line
        for line in log.days[0]
        if line.endswith("}") and '"prediction"' in line and iso(START)[:10] in line
    ]
    ingest_file(ledger, write(tmp_path / "again.jsonl", again), Normaliser(MAPPING), now=NOW)
    assert ledger.tallies()["accepted"] == accepted
    assert ledger.tallies()["rejected.too_old"] == len(again) > 0


def test_lags_are_counted_per_group(ledger, tmp_path):
    lines = [
        event("a", label=1, label_time=iso(START + 7_200)),
        event("b", label=0, label_time=iso(START + 30 * DAY)),
    ]
    ingest_file(ledger, write(tmp_path / "a.jsonl", lines), Normaliser(MAPPING), now=NOW)
    close(ledger, [], ATTRIBUTES, as_of=START + 60 * DAY)
    assert lags(ledger) == {("F", "25 to under 65"): (0, 1, 0, 0, 1, 0, 0, 0)}


def test_a_ledger_of_another_window_or_version_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url).close()
    with pytest.raises(UsageError, match="86400"):
        Ledger(url, window=3_600)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE name = 'schema_version'"))
    engine.dispose()
    with pytest.raises(AuditError, match="version 99"):
        Ledger(url)


@pytest.mark.parametrize(("chunk", "together"), [(400, 1), (400, 37), (4_000, 10**6), (10**7, 1)])
def test_the_counts_do_not_depend_on_where_a_file_is_cut(tmp_path, monkeypatch, chunk, together):
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(files, "EVENTS_AT_ONCE", together)
    streams, ledger = [SELECTION, TPR], Ledger(f"sqlite:///{tmp_path}/ledger.db")
    log, truth = make_log(days=8, per_day=60, seed=3, late=0.4, twice=0.2), Truth(streams)
    for day, lines in enumerate(log.days):
        path = tmp_path / f"{day}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        files.ingest_file(ledger, path, Normaliser(MAPPING, threads=1), now=NOW)
        truth.read(lines)
        as_of = START + (day + 1) * DAY
        close(ledger, streams, ATTRIBUTES, as_of=as_of, label_lag=LABEL_LAG)
        truth.close(as_of)
    assert truth.counts["late.labels"] > 5
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    assert tables(ledger).to_bytes() == truth.table_bytes()


def test_many_labels_of_one_event_are_each_looked_up_once(ledger):
    """Else one client who corrects one label for ever stops the monitor."""
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE stage_l ({taking._STAGE['stage_l']})")
        asked = f"EXPLAIN QUERY PLAN DELETE FROM stage_l AS s WHERE {taking._KNOWN_LABEL}"
        plan = " ".join(str(row) for row in connection.exec_driver_sql(asked))
    assert "target=? AND revision=? AND at=? AND value=?" in plan

"""One log in one ledger, and split by person over four whose tables are added: the same bytes.

With every kind of stream: decisions, labels, scores, whole windows, and people who come again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.judge import assess
from audit.monitor.ledger import Ledger
from audit.monitor.readings import lags, outcomes, spreads, tables
from audit.monitor.scores import MEAN
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START, make_log, unit_of
from tests.monitor.make import EVERYONE, SELECTION, TPR

DAYS, SHARDS = 8, 4
CUTS = (0.25, 0.5, 0.75)
WATCHED = replace(MAPPING, watched="noise", cuts=CUTS, unit_scores=True)
SCORES = replace(SELECTION, id="ks|sex=F|M", reference="M", metric="score_ks", numerator=frozenset())
SCORES = replace(SCORES, reads=(0, 1, 2), cuts=CUTS, centres=(0.0,) * 3, lower=None, a=1, b=1)
RATE = {"reference": "baseline", "comparison": "rate", "a": 1, "b": 0}
STREAMS = [
    SELECTION,
    TPR,
    replace(SELECTION, id="selection|age", attribute="age", group="25 to under 65", a=2, b=1),
    replace(SELECTION, id="selection|sex=none", group=None, a=1, b=4),
    replace(SELECTION, id="selection|sex=F|baseline", **RATE),
    replace(TPR, id="tpr|sex=M", group="M", reference="F", a=1, b=1),
    replace(TPR, id="tpr|sex=M|window", group="M", reference="F", unit="window"),
    replace(TPR, id="tpr|sex=F|baseline", **RATE),
    SCORES,
    replace(SCORES, id="ks|age", attribute="age", group="25 to under 65", reference="rest", a=2, b=1),
    replace(SCORES, id="ks|sex=F|window", unit="window"),
    replace(SCORES, id="ks|sex=F|baseline", **RATE, centres=(0.75, 0.5, 0.25)),
    replace(SELECTION, id="mean|sex=F|rest", metric="mean_score", reads=(MEAN,), denominator=EVERYONE),
    replace(SELECTION, id="median|sex=F|rest", metric="scoring_rate", reads=(1,), cuts=(0.5,)),
]


@dataclass(frozen=True)
class Found:
    """What a ledger holds after the log."""

    tables: object
    rows: dict[object, int]
    scores: dict[object, int]
    lags: dict[object, tuple[int, ...]]


def made_log(*, again: bool = True):
    """A log in which some rows have no score, and people come again unless `again` is False."""
    log = make_log(days=DAYS, per_day=200, seed=4, broken=0.0)
    for lines in log.days:
        for place, line in enumerate(lines):
            event = json.loads(line)
            if "person" not in event:
                continue
            # An event that is sent twice is the same both times.
            if int(event["event_id"].partition("-")[2]) % 17 == 0:
                del event["noise"]
            if not again:
                event["person"] = event["event_id"]
            lines[place] = json.dumps(event)
    return log


def owners(log):
    events = [json.loads(line) for lines in log.days for line in lines]
    return {e["event_id"]: unit_of(e["person"]) >> 60 for e in events if "person" in e}


def read(folder, log, keep):
    folder.mkdir()
    ledger, normaliser = Ledger(f"sqlite:///{folder}/ledger.db"), Normaliser(WATCHED, threads=1)
    for day, lines in enumerate(log.days):
        path = folder / f"{day}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines if keep(json.loads(line)["event_id"])))
        ingest_file(ledger, path, normaliser, now=NOW)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
    rows = {(cohort, *key): n for cohort in ("predictions", "labels") for *key, n in outcomes(ledger, cohort)}
    scores = {tuple(key): n for *key, n in spreads(ledger)}
    found = Found(tables(ledger), rows, scores, lags(ledger))
    ledger.close()
    return found


def added(parts):
    total = {}
    for part in parts:
        for key, n in part.items():
            total[key] = total.get(key, 0) + n
    return total


@pytest.fixture(scope="module")
def log():
    return made_log()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, log):
    return read(tmp_path_factory.mktemp("one") / "ledger", log, lambda name: True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, log):
    owner, folder = owners(log), tmp_path_factory.mktemp("split")
    return [
        read(folder / str(shard), log, lambda name, shard=shard: owner.get(name, 0) % SHARDS == shard)
        for shard in range(SHARDS)
    ]


def test_shards_add_up_to_the_same_bytes(whole, shards):
    total = shards[0].tables.merge(part.tables for part in shards[1:])
    assert total.to_bytes() == whole.tables.to_bytes()
    back = shards[3].tables.merge(part.tables for part in shards[2::-1])
    assert back.to_bytes() == whole.tables.to_bytes()
    assert set(whole.tables.streams()) == {stream.id for stream in STREAMS}
    assert all(set(part.tables.streams()) >= {SCORES.id, "tpr|sex=M"} for part in shards)


def test_shards_add_up_to_the_same_evidence(whole, shards):
    total = shards[0].tables.merge(part.tables for part in shards[1:])
    one, other = (
        assess(STREAMS, found, mean_run=7_300.0, alpha=0.05, restarts={}, paths=True)
        for found in (whole.tables, total)
    )
    assert repr(one) == repr(other)
    assert all(each.log_detector is not None for each in one)


def test_rows_scores_and_lags_of_shards_add_up(whole, shards):
    assert added(part.rows for part in shards) == whole.rows
    assert added(part.scores for part in shards) == whole.scores
    assert any(score < 0 for *_, score in whole.scores)
    for group, counts in whole.lags.items():
        mine = [part.lags[group] for part in shards if group in part.lags]
        assert tuple(map(sum, zip(*mine, strict=True))) == counts


def test_people_who_come_again_are_one_in_every_kind_of_stream(tmp_path, whole):
    alone = read(tmp_path / "alone", made_log(again=False), lambda name: True)
    for stream in STREAMS:
        once, always = (
            found.tables.dense([stream.id], found.tables.windows(), stream.cells).sum()
            for found in (whole, alone)
        )
        assert once < always

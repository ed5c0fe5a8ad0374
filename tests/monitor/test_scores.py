"""The distribution of scores: counted at the audit's cuts, valid under its null, firing on a shift alone."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import audit
from audit import bundle, codec
from audit.monitor import exporter, page
from audit.monitor.baseline import plan
from audit.monitor.blocks import pair, pair_all
from audit.monitor.frozen import freeze
from audit.monitor.judge import assess
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, set_meta
from audit.monitor.replay import history, replay
from audit.monitor.schema import VERSION
from audit.monitor.scores import MEAN, audited_rows, packed, reached, sampling_limit, score_watch
from audit.monitor.settings import read
from audit.monitor.tables import Tables
from audit.monitor.watch import Watch
from audit.monitor.watched import ANY_ROW, from_result, later
from audit.result import AuditResult, Verdict
from audit.spec import load
from tests.monitor.log import DAY, START, iso
from tests.monitor.make import SELECTION

SPEC = """
system: {{name: credit, outcome: favourable}}
data:
  source: test.csv
  columns: {{id: loan, label: repaid, prediction: approved, score: score, time: at, cluster: customer}}
  positive: 1
  attributes: {{sex: {{reference: M}}}}
policy:
  rules:
    - {{id: approvals, metric: selection_rate, comparison: difference, at_most: 0.2}}
    {rules}
monitor: {{window: 1d, grace: 1h, tolerance: 0.06, label_lag: 0d, events: logs{more}}}
"""
MEANS = """- {id: means, metric: mean_score, comparison: difference, at_most: 0.05, severity: minor}
    - {id: median, metric: scoring_rate, comparison: ratio, at_least: 0.8, severity: minor}"""


def make(
    folder: Path, *, rules: str = MEANS, more: str = "", scores: list[float] | None = None
) -> AuditResult:
    (folder / "audit.yaml").write_text(SPEC.format(rules=rules, more=more))
    rng, rows = random.Random(3), ["loan,sex,approved,repaid,score,customer,at"]
    for i, score in enumerate(scores or [round(rng.random(), 2) for _ in range(20_000)]):
        approved, repaid = int(rng.random() < 0.4), int(rng.random() < 0.7)
        rows.append(f"{i},{'FM'[i % 2]},{approved},{repaid},{score!r},{i},x")
    (folder / "test.csv").write_text("\n".join(rows) + "\n")
    audit.run(folder / "audit.yaml", out=folder / "evidence")
    return codec.loads(AuditResult, bundle.read(folder / "evidence").audit_json, where="evidence")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    make(folder)
    return folder


def opened(folder: Path, place: Path) -> Watch:
    (place / "logs").mkdir(exist_ok=True)
    asked = {"ledger": f"sqlite:///{place}/ledger.db", "events": place / "logs"}
    spec = load(folder / "audit.yaml")
    watch = Watch(spec, **asked)  # type: ignore[arg-type]
    found = bundle.read(folder / "evidence")
    result = codec.loads(AuditResult, found.audit_json, where="evidence")
    freeze(watch.ledger, result, found.audit_json, found.id, read(spec, result), now=START)
    watch.close()
    return Watch(spec, **asked)  # type: ignore[arg-type]


def write_days(
    folder: Path, days: int, *, worse_from: int = 99, scored: bool = True, per_day: int = 400
) -> None:
    """From `worse_from` on a third of the women lose half of their score; decisions stay as they were."""
    for day in range(days):
        rng, lines = random.Random(day + 70), []
        for i in range(per_day):
            sex, score = rng.choice("FM"), rng.random()
            if day >= worse_from and sex == "F" and rng.random() < 1 / 3:
                score /= 2
            event: dict[str, object] = {
                "loan": f"{day}-{i}",
                "at": iso(START + day * DAY + rng.randrange(DAY)),
                "customer": f"c{day}-{i}",
                "sex": sex,
                "approved": int(rng.random() < 0.4),
            }
            lines.append(json.dumps(event | ({"score": round(score, 2)} if scored else {})))
        (folder / f"{day:04d}.jsonl").write_text("\n".join(lines) + "\n")


def judged(folder: Path, place: Path, days: int = 12, **given: object):
    watch = opened(folder, place)
    write_days(place / "logs", days, **given)  # type: ignore[arg-type]
    assert watch.ingest(whole=True).problems == []
    return watch, watch.evaluate(now=START + days * DAY + 5_000)


WHOLE = [float(v) for v in random.Random(9).choices(range(300, 851), k=20_000)]


@pytest.mark.parametrize("scores", [None, WHOLE, [v / 7 for v in WHOLE]], ids=["unit", "whole", "sevenths"])
def test_the_rows_above_a_cut_are_those_that_the_audit_counted(tmp_path, scores):
    result = make(tmp_path, rules="", scores=scores)
    watch, _ = score_watch(result, cuts=9)
    lines = [line.split(",") for line in (tmp_path / "test.csv").read_text().splitlines()[1:]]
    found = audited_rows(result, watch, "sex")
    for sex in "FM":
        mine = np.array([float(line[4]) for line in lines if line[1] == sex])
        codes = packed(mine, np.arange(len(mine)), watch.cuts, unit=watch.unit)
        counted = tuple(int(reached(codes, cut).sum()) for cut in range(len(watch.cuts)))
        assert counted == tuple(int((mine >= cut).sum()) for cut in watch.cuts)
        assert found[sex] == (len(mine), counted)
    shares = [sum(found[sex][1][i] for sex in "FM") / 20_000 for i in range(len(watch.cuts))]
    assert shares[watch.middle] == pytest.approx(0.5, abs=0.02)
    assert 8 <= len(watch.cuts) <= 10


def test_rounding_by_the_hash_keeps_the_mean_and_is_the_same_again():
    rng = np.random.default_rng(0)
    score = rng.beta(2, 5, 200_000)
    rest = rng.integers(-(2**63), 2**63 - 1, score.size)
    codes = packed(score, rest, (0.3,), unit=True)
    assert np.array_equal(codes, packed(score, rest, (0.3,), unit=True))
    up = reached(codes, MEAN)
    for low in (0.0, 0.2, 0.4):
        part = (score >= low) & (score < low + 0.2)
        assert up[part].mean() == pytest.approx(score[part].mean(), abs=0.006)
    assert not reached(packed([np.nan, -0.1, 1.1], rest[:3], (0.3,), unit=True), 0).any()


def test_one_pairing_serves_every_cut():
    rng = np.random.default_rng(4)
    key, side = rng.integers(0, 2**63, 900), rng.random(900) < 0.3
    outcomes = [rng.integers(0, 2, 900) for _ in range(4)]
    together = pair_all(key, side, outcomes, 1, 3)
    assert [t.tolist() for t in together] == [pair(key, side, o, 1, 3).tolist() for o in outcomes]


GAP = replace(
    SELECTION,
    metric="score_ks",
    lower=None,
    upper=0.1,
    fine_lower=None,
    fine_upper=0.1,
    denominator=ANY_ROW,
    reads=(0, 1, 2),
    cuts=(0.25, 0.5, 0.75),
    centres=(0.0, 0.0, 0.0),
)


def evidence(lost: float, runs: int = 200, windows: int = 8) -> np.ndarray:
    """ln of the evidence of runs in which the share `lost` of the group has its score set to 0."""
    rng, tables = np.random.default_rng(int(1_000 * lost)), Tables()
    streams = [replace(GAP, id=f"run {k}") for k in range(runs)]
    for stream in streams:
        for window in range(windows):
            side = np.arange(500) < 100
            score = np.where(side & (rng.random(500) < lost), 0.0, rng.random(500))
            codes = packed(score, np.zeros(500, np.int64), stream.cuts, unit=True)
            outcomes = [reached(codes, read).astype(np.int64) for read in stream.reads]
            key = rng.integers(0, 2**63, 500)
            tables.add(stream.id, window, np.concatenate(pair_all(key, side, outcomes, 1, 4)))
    return np.array([one.log_e for one in assess(streams, tables, mean_run=7_300)])


def test_the_distance_bets_no_more_than_its_null_allows():
    # At a lost share of 2/15 the gap at the lowest cut is the bound itself, and smaller at the others.
    alarms = (evidence(2 / 15) >= np.log(20)).mean()
    assert alarms <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert (evidence(0.4) >= np.log(20)).mean() > 0.9


def test_the_audits_error_is_that_of_the_whole_distribution():
    rng = np.random.default_rng(1)
    limit = sampling_limit(200, 0.05)
    grid = np.linspace(0.1, 0.9, 9)
    apart = [np.abs((rng.random((200, 1)) >= grid).mean(axis=0) - (1 - grid)).max() for _ in range(2_000)]
    assert 0.005 < np.mean(np.array(apart) > limit) <= 0.05


def test_a_shift_of_scores_alone_opens_an_alarm_that_decides_nothing(project, tmp_path):
    watch, found = judged(project, tmp_path, days=20, worse_from=6)
    mine = [a for a in found.open_alarms() if "score_ks" in a.subject]
    assert [a.subject for a in mine] == ["score_ks|score_ks|sex=F|baseline"]
    assert mine[0].severity == "minor"
    assert "its audited distribution: distance" in mine[0].words
    assert "at a score of" in mine[0].words
    assert found.verdict is not Verdict.VIOLATION
    one = next(one for one in found.assessments if one.stream.id == mine[0].subject)
    assert one.value == pytest.approx(14 / 20 / 6, abs=0.05)
    assert one.low <= one.value <= one.high
    assert not any(a.subject.startswith(("selection_rate", "approvals")) for a in found.open_alarms())
    means = {o.stream.id: o for o in found.assessments if o.stream.metric == "mean_score"}
    assert means["means|mean_score|sex=F|M"].value < -0.02
    text = page.render(found, watch, ())
    assert "largest at a score of" in text
    assert 'id="scores"' in text
    metrics = exporter.render(found, found.tallies).decode()
    assert 'harm_audit_score_above_cut_ratio{attribute="sex",cut="0.5' in metrics
    assert 'comparison="distance"' in metrics


def test_scores_as_audited_are_quiet(project, tmp_path):
    _, found = judged(project, tmp_path)
    assert found.open_alarms() == ()
    mine = [one for one in found.assessments if one.stream.reads]
    assert {one.stream.metric for one in mine} == {"score_ks", "mean_score", "scoring_rate"}
    assert {one.state for one in mine} <= {"open", "fine"}
    assert all(one.unscored == 0 and one.rows > 2_000 for one in found.scores)


def test_events_without_a_score_are_no_data_and_say_so(project, tmp_path):
    _, found = judged(project, tmp_path, days=3, scored=False)
    mine = [one for one in found.assessments if one.stream.reads]
    assert {(one.state, one.value, one.why) for one in mine} == {
        ("no data", None, "no row with a score in a block")
    }
    assert sum(one.unscored for one in found.scores) == 1_200
    assert {one.above for one in found.scores} == {()}


def test_a_bound_of_the_gap_is_judged_and_can_break_the_verdict(tmp_path):
    make(tmp_path, more=", scores: {at_most: 0.05, severity: major, cuts: 4}")
    place = tmp_path / "place"
    place.mkdir()
    watch, found = judged(tmp_path, place, days=20, worse_from=0)
    broken = {a.subject for a in found.open_alarms() if a.severity == "major"}
    assert "scores|score_ks|sex=F|M" in broken
    assert found.verdict is Verdict.VIOLATION
    settled = found.frozen
    assert 4 <= len(settled.scores.cuts) <= 5
    new = later(settled.result, [("sex", "X")], scores=settled.scores)
    assert {s.metric for s in new} == {"selection_rate", "mean_score", "scoring_rate", "score_ks"}
    again = replay(
        watch.spec, settled.bundle_id, codec.dumps(settled.result), settled.result, [place / "logs"]
    )
    assert again.tables.to_bytes() == found.tables.to_bytes()


def test_what_is_settled_holds_and_an_older_ledger_goes_on_without(project, tmp_path):
    watch = opened(project, tmp_path)
    cuts = watch.frozen.scores.cuts
    assert watch.settings.mapping.cuts == cuts
    with watch.ledger.engine.begin() as connection:
        document = json.loads(get_meta(connection, "baseline"))
        old = {key: document[key] for key in ("bundle", "begun", "choices")}
        set_meta(connection, "baseline", json.dumps(old))
    watch.close()
    again = Watch(load(project / "audit.yaml"), ledger=f"sqlite:///{tmp_path}/ledger.db")
    assert again.frozen.scores is None
    assert again.settings.mapping.cuts == ()
    assert any("did not watch them" in note.why for note in again.frozen.plan.not_watched)


def test_a_ledger_of_version_2_gets_its_columns(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    ledger = Ledger(url)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE prediction DROP COLUMN score")
        connection.exec_driver_sql("ALTER TABLE prediction DROP COLUMN chance")
        connection.exec_driver_sql("DROP TABLE spread")
        connection.exec_driver_sql("DROP INDEX label_event")
        connection.exec_driver_sql(
            "INSERT INTO prediction (key, rest, unit, at, win, cell, yhat, late) "
            "VALUES (1, 1, 1, 1, 1, 1, 1, 0)"
        )
        set_meta(connection, "schema_version", "2")
    ledger.close()
    ledger = Ledger(url)
    with ledger.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT 10 * chance + score FROM prediction").scalar() == 9
        assert get_meta(connection, "schema_version") == str(VERSION)
        connection.exec_driver_sql("SELECT * FROM spread")


def test_whether_days_differ_is_looked_up_in_the_scores_of_a_history(project, tmp_path):
    write_days(tmp_path, 25, per_day=200)
    spec = load(project / "audit.yaml")
    result = codec.loads(AuditResult, bundle.read(project / "evidence").audit_json, where="evidence")
    past = history(spec, result, [tmp_path])
    assert len({row[0] for row in past.spreads}) == 25
    made = plan(result, read(spec, result), past)
    words = {name: choice.words for name, choice in made.choices if "score_ks" in name}
    assert words
    assert not any("not checked" in said for said in words.values())


def test_scores_that_are_not_to_be_watched_are_named(tmp_path):
    result = make(tmp_path, more=", scores: {watch: false}")
    settings = read(load(tmp_path / "audit.yaml"), result)
    streams, skipped = from_result(result, scores=settings.scores, no_scores=settings.no_scores)
    assert not any(stream.reads for stream in streams)
    assert {note.what for note in skipped} == {"means", "median", "the distribution of scores"}
    assert all("watch: false" in note.why for note in skipped)


def test_whole_windows_as_blocks_see_the_shift_as_well(tmp_path):
    make(tmp_path, more=", blocks: window, scores: {at_most: 0.02}")
    place = tmp_path / "place"
    place.mkdir()
    watch, found = judged(tmp_path, place, days=30, worse_from=0, per_day=300)
    streams = {one.stream.id: one for one in found.assessments}
    gap = streams["scores|score_ks|sex=F|M"]
    assert (gap.stream.unit, gap.windows) == ("window", 30)
    assert gap.value == pytest.approx(1 / 6, abs=0.05)
    assert (gap.low, gap.high) == (None, None)
    assert gap.log_e > 0.3
    assert 'id="scores"' in page.render(found, watch, ())

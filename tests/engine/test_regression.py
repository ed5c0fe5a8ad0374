"""The regression family: against scikit-learn, scipy and plain arithmetic; sums and bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from audit.engine import tasks
from audit.engine.counts import Counts
from audit.engine.distances import Distance, between
from audit.engine.run import audit
from audit.engine.skewed import Skewed, SkewedRatio
from audit.engine.source import open_source
from audit.errors import AuditError, DataError, SpecError
from audit.spec import from_dict

EXACT = 1e-10


def make(n: int = 4000, seed: int = 7, digits: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    group = draw.choice(["a", "b", "c"], n, p=[0.3, 0.5, 0.2])
    y = draw.gamma(2.0, 50.0, n)
    p = np.maximum(0.0, 0.9 * y + draw.normal(0, 12, n) + 4 * (group == "a"))
    frame = pd.DataFrame({"g": group, "y": y.round(2), "p": p.round(digits)})
    frame["w"] = draw.uniform(0.5, 3.0, n)
    frame["e"] = draw.uniform(0.1, 2.0, n)
    frame["id"] = draw.integers(0, 200, n)
    return frame


def spec_of(rules: list | None = None, attributes: dict | None = None, **columns: str) -> Any:
    return from_dict(
        {
            "system": {"name": "s"},
            "data": {
                "task": "regression",
                "columns": {"label": "y", "prediction": "p", **columns},
                "attributes": attributes or {"g": {}},
            },
            "policy": {"rules": rules or []},
        }
    )


def run(frame: pd.DataFrame, rules: list | None = None, **columns: str) -> Any:
    return audit(spec_of(rules, **columns), frame=frame, created_at="2026-01-01T00:00:00Z")[0]


def values(result: Any, metric: str) -> dict[str, Any]:
    return {e.group[0] if e.group else "everyone": e for e in result.estimates if e.metric == metric}


ORACLES = {
    "mae": lambda s: sk.mean_absolute_error(s.y, s.p),
    "rmse": lambda s: sk.root_mean_squared_error(s.y, s.p),
    "r2": lambda s: sk.r2_score(s.y, s.p),
    "mean_residual": lambda s: (s.y - s.p).mean(),
    "mean_outcome": lambda s: s.y.mean(),
    "mean_prediction": lambda s: s.p.mean(),
    "actual_expected": lambda s: s.y.sum() / s.p.sum(),
}


def test_any_number_of_attributes_is_crossed() -> None:
    frame = make()
    parts = np.random.default_rng(11).integers(0, 2, (4, len(frame)))
    attributes = {"g": {}} | {f"h{i}": {} for i in range(4)}
    for i, part in enumerate(parts):
        frame[f"h{i}"] = part.astype(str)
    result = audit(spec_of(attributes=attributes), frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    for e in result.estimates:
        if e.metric == "mae" and len(e.grouping) == 1:
            members = frame[frame[e.grouping[0]] == e.group[0]]
            assert e.value == pytest.approx(sk.mean_absolute_error(members.y, members.p), abs=EXACT)


@pytest.mark.parametrize("metric", list(ORACLES))
def test_values_are_the_oracles(metric: str) -> None:
    frame = make()
    found = values(run(frame), metric)
    for group in "abc":
        assert found[group].value == pytest.approx(ORACLES[metric](frame[frame.g == group]), abs=EXACT)
    assert found["everyone"].value == pytest.approx(ORACLES[metric](frame), abs=EXACT)


def test_weighted_values_are_the_oracles() -> None:
    frame = make()
    result = run(frame, weight="w")
    for group in "abc":
        s = frame[frame.g == group]
        assert values(result, "mae")[group].value == pytest.approx(
            sk.mean_absolute_error(s.y, s.p, sample_weight=s.w), abs=EXACT
        )
        assert values(result, "r2")[group].value == pytest.approx(
            sk.r2_score(s.y, s.p, sample_weight=s.w), abs=EXACT
        )


def test_exposure_weighs_actual_and_expected() -> None:
    frame = make()
    found = values(run(frame, exposure="e"), "actual_expected")
    for group in "abc":
        s = frame[frame.g == group]
        assert found[group].value == pytest.approx((s.e * s.y).sum() / (s.e * s.p).sum(), abs=EXACT)


def test_counted_rows_are_rows() -> None:
    frame = make(800)
    counted = frame.assign(k=np.random.default_rng(1).integers(1, 4, len(frame)))
    rows = counted.loc[counted.index.repeat(counted.k)].reset_index(drop=True)
    one, other = run(counted, count="k"), run(rows)
    for mine, theirs in zip(one.estimates, other.estimates, strict=True):
        names = ("metric", "value", "low", "n")
        assert [getattr(mine, name) for name in names] == [getattr(theirs, name) for name in names]


@pytest.mark.parametrize(("metric", "oracle"), [("prediction_ks", "ks"), ("prediction_wasserstein", "w")])
def test_distances_are_scipys_where_bins_hold_one_value(metric: str, oracle: str) -> None:
    frame = make()
    assert frame.p.nunique() <= 500
    result = run(frame, [{"metric": metric, "comparison": "distance", "at_most": 0.5}])
    reference = frame.p[frame.g == "b"]
    for found in result.comparisons:
        mine = frame.p[frame.g == found.group[0]]
        wanted = (
            stats.ks_2samp(mine, reference).statistic
            if oracle == "ks"
            else stats.wasserstein_distance(mine, reference)
        )
        assert found.value == pytest.approx(wanted, abs=EXACT)
        assert found.reference == "b"


def test_parity_at_quantiles_is_the_largest_gap_above_a_tenth() -> None:
    frame = make()
    result = run(frame, [{"metric": "parity_at_quantiles", "comparison": "distance", "at_most": 0.5}])
    cuts = [np.sort(frame.p)[int(np.ceil(q / 10 * len(frame))) - 1] for q in range(1, 10)]
    for found in result.comparisons:
        mine, theirs = frame.p[frame.g == found.group[0]], frame.p[frame.g == "b"]
        assert found.value == pytest.approx(max(abs((mine > t).mean() - (theirs > t).mean()) for t in cuts))


def test_verdicts_follow_the_evidence() -> None:
    frame = make(6000)
    worse = frame.assign(p=np.where(frame.g == "a", frame.p + 30, frame.p))
    rules = [
        {"metric": "mae", "comparison": "ratio", "at_most": 1.5},
        {"metric": "mean_residual", "comparison": "difference", "at_most": 10},
        {"metric": "prediction_ks", "comparison": "distance", "at_most": 0.2},
        {"metric": "actual_expected", "comparison": "worst_group", "at_least": 0.9},
    ]
    quiet, fires = run(frame, rules), run(worse, rules)
    assert quiet.verdict == "pass"
    assert [verdict.verdict.value for verdict in fires.rules] == ["violation"] * 4
    few = run(make(60), [{"metric": "mae", "comparison": "difference", "at_most": 0.5}])
    assert few.verdict == "inconclusive"


@pytest.mark.parametrize("reference", ["rest", "overall", "largest", "a"])
def test_every_reference_has_values_and_evidence(reference: str) -> None:
    frame = make()
    rules = [
        {"metric": "rmse", "comparison": "ratio", "at_most": 1.5},
        {"metric": "mae", "comparison": "difference", "at_most": 5},
        {"metric": "prediction_ks", "comparison": "distance", "at_most": 0.2},
    ]
    spec = spec_of(rules, {"g": {"reference": reference}})
    result = audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    tested = [c for c in result.comparisons if reference != "overall" or c.metric != "rmse"]
    assert all(c.value is not None and c.low <= c.value <= c.high for c in tested)
    if reference == "overall":
        assert all(
            c.low is None and "mean over rows" in c.blocked for c in result.comparisons if c not in tested
        )
        found = next(c for c in result.comparisons if c.metric == "mae" and c.group == ("a",))
        oracle = ORACLES["mae"](frame[frame.g == "a"]) - ORACLES["mae"](frame)
        assert found.value == pytest.approx(oracle, rel=1e-9)


def test_clusters_widen_the_interval_and_keep_distances_from_passing() -> None:
    frame = make()
    shifted = frame.assign(p=frame.p + 15 * stats.norm.ppf((frame.id + 0.5) / 200))
    rules = [
        {"metric": "mean_residual", "comparison": "difference", "at_most": 50},
        {"metric": "prediction_ks", "comparison": "distance", "at_most": 0.9},
    ]
    plain, tied = run(shifted, rules), run(shifted, rules, cluster="id")
    widths = [
        sum(c.high - c.low for c in result.comparisons if c.metric == "mean_residual")
        for result in (plain, tied)
    ]
    assert widths[1] > widths[0]
    assert tied.rules[1].verdict == "inconclusive"
    assert "clustered" in next(c.blocked for c in tied.comparisons if c.metric == "prediction_ks")


def take(frame: pd.DataFrame, **columns: str) -> Counts:
    spec = spec_of(**columns)
    with open_source(spec, frame=frame) as source:
        return tasks.count(spec, source)


@pytest.mark.parametrize("columns", [{}, {"weight": "w"}, {"exposure": "e", "cluster": "id"}])
def test_counts_are_saved_loaded_and_added_up(columns: dict) -> None:
    frame = make(3000)
    frame.loc[:4, "y"] = np.nan
    frame.loc[9, "y"] = 4000.0
    whole = take(frame, **columns)
    assert Counts.load(whole.save()).save() == whole.save()
    joined = Counts.load(take(frame[:1000], **columns).save()) + take(frame[1000:], **columns)
    assert joined.scales == whole.scales
    spec = spec_of(**columns)
    one, other = (audit(spec, counts=c, created_at="2026-01-01T00:00:00Z")[0] for c in (whole, joined))
    for mine, theirs in zip(one.estimates, other.estimates, strict=True):
        assert mine.n == theirs.n
        wanted = theirs.value
        assert mine.value == (wanted if wanted is None else pytest.approx(wanted, rel=1e-12, abs=1e-12))
    for key in ("label", "bin"):
        assert np.array_equal(joined.histogram[0].keys[key], whole.histogram[0].keys[key])


def test_counts_of_unlike_tasks_are_not_added() -> None:
    frame = make(200)
    binary = from_dict(
        {"system": {"name": "s"}, "data": {"columns": {"prediction": "q"}, "attributes": {"g": {}}}}
    )
    _, other = audit(binary, frame=frame.assign(q=1), created_at="2026-01-01T00:00:00Z")
    with pytest.raises(DataError, match="differ in task"):
        take(frame) + other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.assign(p=np.where(f.index == 3, np.inf, f.p)), "1 values that are NaN or infinite"),
        (lambda f: f.assign(y="high"), "where numbers are needed"),
        (lambda f: f.assign(y=np.nan), "holds no number"),
        (lambda f: f.assign(p=f.p * 1e40), "over 1e\\+36"),
        (lambda f: f.assign(e=-f.e), "exposures under 0"),
        (lambda f: f.assign(e=f.e.where(f.index > 4)), "5 rows have no exposure"),
        (lambda f: f.drop(columns="p"), "p"),
        (lambda f: f[:0], "no rows"),
    ],
)
def test_bad_input_ends_in_words(change: Any, words: str) -> None:
    with pytest.raises(AuditError, match=words):
        run(change(make(100)), exposure="e")


def test_rows_without_a_prediction_are_excluded_and_those_without_a_label_kept() -> None:
    frame = make(500)
    frame.loc[:9, "p"] = np.nan
    frame.loc[10:29, "y"] = np.nan
    result = run(frame)
    assert result.data.rows_read == 500
    assert [(x.reason, x.rows) for x in result.data.excluded] == [("no prediction", 10)]
    assert values(result, "mae")["everyone"].n == 470
    assert values(result, "mean_prediction")["everyone"].n == 490


def test_a_ratio_of_negative_outcomes_is_undefined_with_its_reason() -> None:
    frame = make().assign(y=lambda f: f.y - 100)
    rules = [
        {"metric": "mean_outcome", "comparison": "ratio", "at_least": 0.8},
        {"metric": "actual_expected", "comparison": "worst_group", "at_least": 0.8},
    ]
    result = run(frame, rules)
    assert result.verdict == "inconclusive"
    assert {c.value for c in result.comparisons} == {None}
    assert all("under 0" in c.why for c in result.comparisons)
    with pytest.raises(SpecError, match="not compared by ratio"):
        run(frame, [{"metric": "mean_residual", "comparison": "ratio", "at_least": 0.8}])


def test_constant_labels_constant_predictions_and_a_group_of_one_row() -> None:
    frame = make(300).assign(y=5.0, p=5.0)
    frame.loc[0, "g"] = "alone"
    rules = [{"metric": "mae", "comparison": "difference", "at_most": 1}]
    result = run(frame, rules)
    assert values(result, "r2")["a"].why == "the labels do not vary"
    assert values(result, "rmse")["a"].value == 0
    assert values(result, "prediction_ks")["a"].value == 0
    alone = next(c for c in result.comparisons if c.group == ("alone",))
    assert "under min_group" in alone.blocked
    assert values(result, "mae")["alone"].low is None


def test_two_attributes_are_measured_each_and_crossed() -> None:
    frame = make(2000).assign(h=lambda f: np.where(f.id < 90, "x", "y"))
    data = {
        "task": "regression",
        "columns": {"label": "y", "prediction": "p"},
        "attributes": {"g": {}, "h": {}},
        "intersections": 2,
        "control": [],
    }
    spec = from_dict({"system": {"name": "s"}, "data": data})
    result = audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    for e in result.estimates:
        if e.metric == "mae" and e.grouping == ("g", "h"):
            s = frame[(frame.g == e.group[0]) & (frame.h == e.group[1])]
            assert e.value == pytest.approx(sk.mean_absolute_error(s.y, s.p), abs=EXACT)


def test_one_group_has_no_distance_and_no_comparison() -> None:
    frame = make(200).assign(g="only")
    result = run(frame, [{"metric": "prediction_ks", "comparison": "distance", "at_most": 0.1}])
    assert result.verdict == "inconclusive"
    assert values(result, "prediction_ks")["only"].why == "a distance is between groups"


EVIDENCE = {
    "skewed": Skewed([1, -2, 0.3], [0.2, 0.5, 0.1], [30, np.inf, 12], [0.1, -0.2, 0], [0.05, 0.1, 0]),
    "ratio": SkewedRatio(
        ([5.0, 2.0, 0.4], [0.04, 0.02, 0.01], [1e-3, 0.0, -1e-4], [40.0, 100.0, 20.0]),
        ([4.0, 2.5, 0.6], [0.03, 0.01, 0.004], [1e-3, 0.0, 1e-4], [50.0, 900.0, 25.0]),
        [1.0, 0.5, 1.0],
    ),
    "distance": Distance([0.1, 0.3, 0.02], [0.05, 0.1, 0.05], [0.07, 0.12, 0.06], [0.02, 0.05, 0.02]),
}


@pytest.mark.parametrize("kind", list(EVIDENCE))
@pytest.mark.parametrize("level", [0.2, 0.05, 0.01, 1e-4])
def test_test_and_interval_never_part(kind: str, level: float) -> None:
    evidence = EVIDENCE[kind]
    low, high = evidence.interval(2 * level)
    for shift in (-1e-6, 1e-6):
        for limit, inside, p in ((low, shift < 0, evidence.above), (high, shift > 0, evidence.below)):
            free = np.isfinite(limit) & (limit > 0 if kind != "skewed" else np.ones(3, dtype=bool))
            chosen = np.where(free, limit + shift, 1.0)
            assert ((p(chosen) <= level) == inside)[free].all()


def test_a_distance_between_equal_distributions_is_seldom_called() -> None:
    draw = np.random.default_rng(3)
    share = np.full(20, 0.05)
    at = np.arange(20.0)
    for kind in ("ks", "wasserstein", "total_variation"):
        called = 0
        for _ in range(60):
            one, other = (draw.multinomial(n, share) / n for n in (200, 600))
            found = between(one, other, 200, 600, kind, at)
            evidence = Distance(found.value, found.wide, found.narrow, found.sigma)
            called += bool(evidence.low_limit(np.asarray(0.05)) > 0)
        assert called <= 8, kind


RULES = [
    {"metric": "mae", "comparison": "difference", "at_most": 60},
    {"metric": "mean_prediction", "comparison": "difference", "at_most": 200},
]


def told(known: Callable[[pd.DataFrame], Any], frame: pd.DataFrame | None = None, **columns: str) -> Any:
    """The audit of rows of which those chosen have a label."""
    rows = make() if frame is None else frame
    return run(rows.assign(y=rows.y.where(known(rows))), RULES, **columns)


@pytest.mark.parametrize(
    ("known", "share"),
    [
        (lambda rows: rows.p < rows.p.median(), "0% to 100%"),
        (lambda rows: rows.p > rows.p.quantile(0.2), "0% to 100%"),
        (lambda rows: rows.p.between(*rows.p.quantile([0.3, 0.7])), "0% to 100%"),
        (lambda rows: (rows.p < rows.p.median()) | (rows.index % 5 > 0), "to 100%"),
    ],
    ids=["low", "high", "middle", "in part"],
)
def test_labels_known_at_some_predictions_alone_keep_errors_from_passing(known: Any, share: str) -> None:
    assert run(make(), RULES).verdict == "pass"
    result = told(known)
    assert [rule.verdict.value for rule in result.rules] == ["inconclusive", "pass"]
    blocked = {c.blocked for c in result.comparisons if c.metric == "mae"}
    assert all("label coverage" in words and share in words for words in blocked)
    assert any("over the predictions" in words for words in result.data.warnings)


def test_labels_known_at_some_predictions_of_one_group_alone_are_told_of_it() -> None:
    result = told(lambda rows: (rows.g != "c") | (rows.index % 20 > 0) | (rows.p < rows.p.median()))
    assert result.verdict == "pass"
    low = make(9000)
    hidden = (low.g == "c") & (low.p > low.p[low.g == "c"].quantile(0.96))
    result = told(lambda rows: ~hidden, low)
    assert result.rules[0].verdict == "inconclusive"
    assert any("of g c" in words for words in result.data.warnings)


@pytest.mark.parametrize("rows", [300, 4000])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_labels_missing_by_chance_are_let_be(share: float, rows: int) -> None:
    frame = make(rows)
    for seed in range(8):
        luck = np.random.default_rng(seed).random(rows) < share
        found = run(frame.assign(y=frame.y.where(luck))).data.warnings
        assert not any("over the predictions" in words for words in found)


def test_an_outlier_does_not_hide_which_predictions_have_labels() -> None:
    """One prediction of a million puts all the others into one bin, which cannot say where labels are."""
    frame = make()
    frame.loc[0, "p"] = 1e6
    for known in (lambda rows: rows.p < 90, lambda rows: rows.index % 2 == 0):
        result = told(known, frame)
        blocked = {c.blocked for c in result.comparisons if c.metric == "mae"}
        assert result.rules[0].verdict == "inconclusive"
        assert all("cannot be told" in words for words in blocked)
    whole = run(frame, RULES)
    assert not any("cannot be told" in (c.blocked or "") for c in whole.comparisons)
    same = frame.assign(p=np.where(frame.index == 0, 1e6, 90.0))
    assert not any(
        "cannot be told" in (c.blocked or "")
        for c in told(lambda rows: rows.index % 2 == 0, same).comparisons
    )


def test_a_violation_among_the_labelled_stays_one() -> None:
    frame = make().assign(p=lambda rows: np.where(rows.g == "a", rows.p + 120, rows.p))
    result = told(lambda rows: rows.p < rows.p.quantile(0.9), frame)
    assert result.rules[0].verdict == "violation"
    assert all("label coverage" in c.blocked for c in result.comparisons if c.metric == "mae")


def earlier(counts: Counts) -> Counts:
    """The counts as files of earlier versions hold them."""
    tables = tuple(table.merged(keys=("bin",)) for table in counts.histogram)
    return Counts.load(replace(counts, histogram=tables).save())


def test_counts_of_earlier_versions_load_and_add_and_do_not_pass_for_what_they_cannot_say() -> None:
    frame, spec = make(), spec_of(RULES)
    whole = frame.assign(y=frame.y.where(frame.p < frame.p.median()))

    def verdicts(counts: Counts) -> list[str]:
        result = audit(spec, counts=counts, created_at="2026-01-01T00:00:00Z")[0]
        return [rule.verdict.value for rule in result.rules]

    assert verdicts(earlier(take(frame))) == ["pass", "pass"]
    assert verdicts(earlier(take(whole))) == ["inconclusive", "pass"]
    known, unknown = take(frame[:2000]), take(whole[2000:])
    assert verdicts(known + unknown) == verdicts(earlier(known) + unknown) == ["inconclusive", "pass"]
    assert (earlier(known) + unknown).histogram[0].keys.keys() == {"bin", "label"}
    mixed = known + earlier(unknown)
    assert verdicts(mixed) == ["inconclusive", "pass"]
    assert mixed.rows == len(frame)
    assert verdicts(earlier(take(frame[:2000])) + take(frame[2000:])) == ["pass", "pass"]

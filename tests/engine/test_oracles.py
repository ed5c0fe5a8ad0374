"""Every metric and comparison against fairlearn, AIF360 and scikit-learn, where they define it soundly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.engine.tables import Tables
from audit.result import AuditResult
from tests.engine.make import BOTH, audited, comparison, estimate, random_rows, run, spec
from tests.needs import needs_extra

EXACT = 1e-12
FIXED = 2.0**-29
"""Weights and scores are sums of multiples of 2⁻³⁰, each off by at most half of it."""


def hospital() -> pd.DataFrame:
    """Real measurements that come with scikit-learn: a tumour model's scores by age-like thirds."""
    features, label = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(features[:200, :4], label[:200])
    score = model.predict_proba(features[:, :4])[:, 1]
    third = np.digitize(features[:, 9], np.quantile(features[:, 9], [1 / 3, 2 / 3]))
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "g": np.array(["low", "middle", "high"])[third],
            "y": label,
            "p": (score >= 0.5).astype(int),
            "s": score,
            "w": rng.integers(1, 2048, len(label)) / 1024,
        }
    )


FRAMES = {"random": random_rows(1, 3000), "few": random_rows(2, 150), "hospital": hospital()}


def matrix(y: Any, p: Any, w: Any) -> np.ndarray:
    return sk.confusion_matrix(y, p, labels=[0, 1], sample_weight=w).astype(float).ravel()


def npv(y: Any, p: Any, w: Any) -> float:
    return float(sk.precision_score(1 - y, 1 - p, sample_weight=w))


def tnr(y: Any, p: Any, w: Any) -> float:
    return float(sk.recall_score(1 - y, 1 - p, sample_weight=w))


def fn_fp(y: Any, p: Any, w: Any) -> float:
    _, fp, fn, _ = matrix(y, p, w)
    return float(fn / fp)


SKLEARN: dict[str, Callable[[Any, Any, Any], float]] = {
    "base_rate": lambda y, p, w: np.average(y, weights=w),
    "selection_rate": lambda y, p, w: np.average(p, weights=w),
    "true_positive_rate": lambda y, p, w: sk.recall_score(y, p, sample_weight=w),
    "false_negative_rate": lambda y, p, w: 1 - sk.recall_score(y, p, sample_weight=w),
    "true_negative_rate": tnr,
    "false_positive_rate": lambda y, p, w: 1 - tnr(y, p, w),
    "positive_predictive_value": lambda y, p, w: sk.precision_score(y, p, sample_weight=w),
    "false_discovery_rate": lambda y, p, w: 1 - sk.precision_score(y, p, sample_weight=w),
    "negative_predictive_value": npv,
    "false_omission_rate": lambda y, p, w: 1 - npv(y, p, w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p, sample_weight=w),
    "error_rate": lambda y, p, w: sk.zero_one_loss(y, p, sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p, sample_weight=w),
    "matthews_corrcoef": lambda y, p, w: sk.matthews_corrcoef(y, p, sample_weight=w),
    "fn_fp_ratio": fn_fp,
}


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize("name", FRAMES)
def test_decision_metrics_equal_scikit_learn(name: str, weighted: bool) -> None:
    frame = FRAMES[name]
    result = run(frame, BOTH | ({"weight": "w"} if weighted else {}))
    parts = {**{(("g", g),): part for g, part in frame.groupby("g")}, (): frame}
    for key, part in parts.items():
        w = part.w if weighted else None
        for metric, oracle in SKLEARN.items():
            expected = oracle(part.y.to_numpy(), part.p.to_numpy(), w)
            assert estimate(result, metric, **dict(key)).value == pytest.approx(expected, abs=EXACT), metric
        share = (part.w.sum() / frame.w.sum()) if weighted else len(part) / len(frame)
        assert estimate(result, "share_of_population", **dict(key)).value == pytest.approx(share, abs=EXACT)
        chosen = (
            (part.w * part.p).sum() / (frame.w * frame.p).sum() if weighted else part.p.sum() / frame.p.sum()
        )
        assert estimate(result, "share_of_selected", **dict(key)).value == pytest.approx(chosen, abs=EXACT)
        assert estimate(result, "count", **dict(key)).value == len(part)


def test_weights_that_are_no_multiples_are_right_to_fixed_point() -> None:
    frame = random_rows(3, 1000).assign(w=np.random.default_rng(3).lognormal(size=1000))
    result = run(frame, BOTH | {"weight": "w"})
    for g, part in frame.groupby("g"):
        for metric, oracle in SKLEARN.items():
            expected = oracle(part.y.to_numpy(), part.p.to_numpy(), part.w)
            assert estimate(result, metric, g=str(g)).value == pytest.approx(expected, abs=1e-8), metric


def test_frequency_weights_print_the_same_rates_as_sampling_weights() -> None:
    frame = random_rows(4, 400).assign(w=np.random.default_rng(4).integers(1, 5, 400))
    both = [run(frame, BOTH | {"weight": "w"}, weights=kind) for kind in ("sampling", "frequency")]
    values = [[(e.metric, e.group, e.value) for e in r.estimates if e.metric in SKLEARN] for r in both]
    assert values[0] == values[1]


@pytest.mark.parametrize("name", FRAMES)
def test_named_comparisons_equal_fairlearn(name: str) -> None:
    fairlearn = needs_extra("fairlearn.metrics")
    frame = FRAMES[name]
    given = {"y_true": frame.y, "y_pred": frame.p, "sensitive_features": frame.g}
    result = run(
        frame,
        BOTH,
        {"id": "dp", "metric": "demographic_parity", "comparison": "difference", "at_most": 0.1},
        {"id": "dpr", "metric": "demographic_parity", "comparison": "ratio", "at_least": 0.8},
        {"id": "eo", "metric": "equalized_odds", "at_most": 0.1},
        {"id": "opportunity", "metric": "equal_opportunity", "at_most": 0.1},
        attributes={"g": {"reference": "best"}},
    )

    def spread(rule: str) -> float:
        return max(abs(c.value or 0.0) for c in result.comparisons if c.rule == rule)

    def least(rule: str) -> float:
        return min(c.value for c in result.comparisons if c.rule == rule and c.value is not None)

    assert spread("dp") == pytest.approx(fairlearn.demographic_parity_difference(**given), abs=EXACT)
    assert least("dpr") == pytest.approx(fairlearn.demographic_parity_ratio(**given), abs=EXACT)
    assert spread("eo") == pytest.approx(fairlearn.equalized_odds_difference(**given), abs=EXACT)
    expected = fairlearn.equal_opportunity_difference(**given)
    assert spread("opportunity") == pytest.approx(expected, abs=EXACT)


def test_every_group_against_a_named_reference_equals_fairlearns_frame() -> None:
    fairlearn = needs_extra("fairlearn.metrics")
    frame = FRAMES["random"]
    rated = [name for name in SKLEARN if hasattr(fairlearn, name)]
    assert len(rated) >= 5
    frames = fairlearn.MetricFrame(
        metrics={name: getattr(fairlearn, name) for name in rated},
        y_true=frame.y,
        y_pred=frame.p,
        sensitive_features=frame[["g", "h"]],
        sample_params={name: {"sample_weight": frame.w} for name in rated},
    ).by_group
    rules = [
        {"id": f"{name}-{kind}", "metric": name, "comparison": kind, **bound}
        for name in rated
        for kind, bound in (("difference", {"at_most": 0.1}), ("ratio", {"at_least": 0.8}))
    ]
    result = run(
        frame,
        BOTH | {"weight": "w"},
        *rules,
        attributes={"g": {"reference": "b"}, "h": {"reference": "u"}},
        intersections=2,
    )
    seen = 0
    for c in result.comparisons:
        if len(c.grouping) == 2:
            own, other = frames.loc[c.group, c.metric], frames.loc[("b", "u"), c.metric]
            expected = own - other if c.comparison == "difference" else own / other
            assert c.value == pytest.approx(expected, abs=EXACT), (c.metric, c.group)
            seen += 1
    assert seen == len(rules) * 5


@pytest.fixture(scope="module")
def aif() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        needs_extra("aif360")
        return needs_extra("aif360.metrics"), needs_extra("aif360.datasets")


AIF360 = {
    "true_positive_rate": "true_positive_rate",
    "true_negative_rate": "true_negative_rate",
    "false_positive_rate": "false_positive_rate",
    "false_negative_rate": "false_negative_rate",
    "positive_predictive_value": "positive_predictive_value",
    "negative_predictive_value": "negative_predictive_value",
    "false_discovery_rate": "false_discovery_rate",
    "false_omission_rate": "false_omission_rate",
    "accuracy": "accuracy",
    "error_rate": "error_rate",
    "selection_rate": "selection_rate",
}
"""Ours to theirs, called with privileged=True and False."""
DIFFERENCES = {
    "selection_rate": "statistical_parity_difference",
    "true_positive_rate": "equal_opportunity_difference",
    "false_positive_rate": "false_positive_rate_difference",
    "false_negative_rate": "false_negative_rate_difference",
    "false_omission_rate": "false_omission_rate_difference",
    "false_discovery_rate": "false_discovery_rate_difference",
    "error_rate": "error_rate_difference",
}
RATIOS = {
    "selection_rate": "disparate_impact",
    "false_positive_rate": "false_positive_rate_ratio",
    "false_negative_rate": "false_negative_rate_ratio",
    "false_omission_rate": "false_omission_rate_ratio",
    "false_discovery_rate": "false_discovery_rate_ratio",
    "error_rate": "error_rate_ratio",
}


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_two_groups_equal_aif360(aif: Any, weighted: bool) -> None:
    frame = FRAMES["random"].assign(sex=lambda f: (f.h == "u").astype(float))
    theirs = aif360_metric(aif, frame, weighted)
    rules = [
        {"id": f"{kind} {name}", "metric": name, "comparison": kind, **bound}
        for kind, names, bound in (
            ("difference", DIFFERENCES, {"at_most": 0.1}),
            ("ratio", RATIOS, {"at_least": 0.8}),
        )
        for name in names
    ]
    columns = BOTH | ({"weight": "w"} if weighted else {})
    result = run(frame, columns, *rules, attributes={"sex": {"reference": "1"}})
    for ours, name in AIF360.items():
        for privileged, group in ((True, "1"), (False, "0")):
            expected = getattr(theirs, name)(privileged=privileged)
            assert estimate(result, ours, sex=group).value == pytest.approx(expected, abs=EXACT), name
    for kind, names in (("difference", DIFFERENCES), ("ratio", RATIOS)):
        for ours, name in names.items():
            found = comparison(result, ours, "0", rule=f"{kind} {ours}")
            assert found.value == pytest.approx(getattr(theirs, name)(), abs=EXACT), name
    odds = [
        comparison(result, m, "0", f"difference {m}").value
        for m in ("true_positive_rate", "false_positive_rate")
    ]
    assert np.mean(odds) == pytest.approx(theirs.average_odds_difference(), abs=EXACT)
    assert np.mean(np.abs(odds)) == pytest.approx(theirs.average_abs_odds_difference(), abs=EXACT)


def aif360_metric(aif: Any, frame: pd.DataFrame, weighted: bool) -> Any:
    metrics, datasets = aif

    def dataset(column: str) -> Any:
        made = datasets.BinaryLabelDataset(
            df=frame[["sex", column]].rename(columns={column: "outcome"}).astype(float),
            label_names=["outcome"],
            protected_attribute_names=["sex"],
        )
        if weighted:
            made.instance_weights = frame.w.to_numpy()
        return made

    return metrics.ClassificationMetric(
        dataset("y"), dataset("p"), unprivileged_groups=[{"sex": 0.0}], privileged_groups=[{"sex": 1.0}]
    )


def calibration_error(frame: pd.DataFrame) -> float:
    """Σ over ten equal bins of the share of rows times |mean score − share of positives|."""
    tenth = np.minimum((frame.s * 10).astype(int), 9)
    gaps = frame.assign(gap=(frame.s - frame.y) * frame.w).groupby(tenth).gap.sum().abs()
    return float(gaps.sum() / frame.w.sum())


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize("name", FRAMES)
def test_probability_scores_equal_scikit_learn_to_fixed_point(name: str, weighted: bool) -> None:
    frame = FRAMES[name] if weighted else FRAMES[name].assign(w=1.0)
    columns = BOTH | {"score": "s"} | ({"weight": "w"} if weighted else {})
    result = run(frame, columns)
    near = FIXED * (frame.w.max() / frame.w.min() if weighted else 1.0)
    parts = {**{(("g", g),): part for g, part in frame.groupby("g")}, (): frame}
    for key, part in parts.items():
        group = dict(key)
        brier = sk.brier_score_loss(part.y, part.s, sample_weight=part.w)
        assert estimate(result, "brier", **group).value == pytest.approx(brier, abs=near)
        large = np.average(part.s - part.y, weights=part.w)
        assert estimate(result, "calibration_in_the_large", **group).value == pytest.approx(large, abs=near)
        ece = estimate(result, "expected_calibration_error", **group).value
        assert ece == pytest.approx(calibration_error(part), abs=10 * near)


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_auc_is_exact_where_bins_hold_one_score(weighted: bool) -> None:
    frame = random_rows(5, 2000).assign(s=lambda f: (f.s * 40).round() / 40)
    result = run(frame, BOTH | {"score": "s"} | ({"weight": "w"} if weighted else {}))
    for g, part in frame.groupby("g"):
        expected = sk.roc_auc_score(part.y, part.s, sample_weight=part.w if weighted else None)
        assert estimate(result, "auc", g=str(g)).value == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(
    "scale", [lambda s: s, lambda s: s / 1e4, lambda s: 300 + 550 * s], ids=["plain", "rare", "points"]
)
def test_auc_lies_within_its_binning_bounds(scale: Callable[[Any], Any]) -> None:
    frame = random_rows(6, 20_000).assign(s=lambda f: scale(f.s))
    _, counts = audited(spec(BOTH | {"score": "s"}), frame)
    tables = Tables(counts, 1)
    sample: Any = tables.sample("auc", ("g",))
    area, low, high, *_ = sample.parts
    for index, group in enumerate(tables.groups(("g",)).groups):
        part = frame[frame.g == group[0]]
        exact = sk.roc_auc_score(part.y, part.s)
        assert low[index] - EXACT <= exact <= high[index] + EXACT
        assert low[index] <= area[index] <= high[index]
        assert high[index] - low[index] < 0.02
        assert area[index] == pytest.approx(exact, abs=1e-3)


def test_auc_difference_is_that_of_the_areas() -> None:
    frame = random_rows(8, 3000).assign(s=lambda f: (f.s * 50).round() / 50)
    rule = {"metric": "auc", "comparison": "difference", "at_most": 0.1}
    result = run(frame, BOTH | {"score": "s"}, rule, attributes={"g": {"reference": "a"}})
    area = {g: sk.roc_auc_score(part.y, part.s) for g, part in frame.groupby("g")}
    for group in "bc":
        found = comparison(result, "auc", group)
        assert found.value == pytest.approx(area[group] - area["a"], abs=EXACT)


def test_scoring_rate_counts_scores_strictly_above_the_median_of_all() -> None:
    frame = random_rows(9, 501).assign(s=lambda f: f.s.round(2))
    rule = {"metric": "scoring_rate", "comparison": "ratio", "at_least": 0.8}
    result = run(frame, {"score": "s"}, rule)
    median = frame.s.median()
    for g, part in frame.groupby("g"):
        assert estimate(result, "scoring_rate", g=str(g)).value == (part.s > median).mean()


def test_a_threshold_predicts_at_or_above_it() -> None:
    frame = random_rows(10, 500).assign(s=lambda f: f.s.round(1))
    result = run(frame, {"label": "y", "score": "s"}, threshold=0.5)
    for g, part in frame.groupby("g"):
        assert estimate(result, "selection_rate", g=str(g)).value == (part.s >= 0.5).mean()


def everyone(result: AuditResult, metric: str) -> float:
    value = estimate(result, metric).value
    assert value is not None
    return value


@pytest.mark.parametrize("name", FRAMES)
def test_against_rest_and_overall(name: str) -> None:
    frame = FRAMES[name]
    rule = {"metric": "selection_rate", "comparison": "difference", "at_most": 0.1}
    rest, overall = (
        run(frame, BOTH, rule, attributes={"g": {"reference": keyword}}) for keyword in ("rest", "overall")
    )
    for g, part in frame.groupby("g"):
        others = frame[frame.g != g].p.mean()
        found = comparison(rest, "selection_rate", str(g))
        assert found.value == pytest.approx(part.p.mean() - others, abs=EXACT)
        found = comparison(overall, "selection_rate", str(g))
        assert found.value == pytest.approx(part.p.mean() - everyone(overall, "selection_rate"), abs=EXACT)

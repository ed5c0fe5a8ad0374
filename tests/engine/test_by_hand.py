"""Every family through the public API, held against sums over plain rows that share nothing with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import api, registry
from audit.result import AuditResult
from tests.engine.make import CREATED
from tests.engine.test_properties import FEW, SETTINGS

Expected = dict[str, float | None]
Floats = npt.NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
GROUPS = ("a", "b", None)
UTILITY = {"tp": 3.0, "fp": 1.0, "fn": 0.5, "tn": 2.0}


def audited(frame: pd.DataFrame, **options: Any) -> AuditResult:
    return api.audit(frame, created_at=CREATED, **options).result


def of_group(frame: pd.DataFrame, group: tuple[str | None, ...]) -> pd.DataFrame:
    if not group:
        return frame
    return frame[frame.g.isna()] if group[0] is None else frame[frame.g == group[0]]


def people(rng: np.random.Generator, n: int, **columns: Any) -> pd.DataFrame:
    """Rows in three groups, one of them without a name, with weights of which some are 0."""
    group = np.array(rng.choice(["a", "b", "none"], n, p=[0.55, 0.35, 0.1]), dtype=object)
    group[group == "none"] = None
    return pd.DataFrame({"g": group, "w": np.round(rng.exponential(1, n) * 64) / 64, **columns})


def thinned(rng: np.random.Generator, values: Any, share: float = 0.1) -> pd.Series:
    kept = pd.Series(values).astype(object if isinstance(values[0], str) else float)
    kept[rng.random(len(kept)) < share] = None
    return kept


def mean(values: Any, weights: Any) -> float | None:
    total = float(np.sum(weights))
    return float(np.sum(np.asarray(values) * np.asarray(weights)) / total) if total > 0 else None


def divided(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None


def check(result: AuditResult, frame: pd.DataFrame, expected: Callable[[pd.DataFrame], Expected]) -> None:
    """Each value as expected, and whatever stands beside it possible at all."""
    found = {(item.metric, item.group): item for item in result.estimates}
    for group in ((), *((name,) for name in GROUPS)):
        rows = of_group(frame, group)
        for metric, value in expected(rows).items() if len(rows) else ():
            item = found[metric, group]
            if value is None:
                assert item.value is None, item
                assert item.why
            else:
                assert item.value == pytest.approx(value, rel=1e-8, abs=1e-8), item
    possible(result)


def possible(result: AuditResult) -> None:
    """Intervals hold what they are of, and end where the metric does."""
    for item in result.estimates:
        least, most = registry.metric_named(item.metric).span
        assert (item.value is None) == (item.why is not None)
        for low, high in ((item.low, item.high),) if item.value is not None else ():
            assert low is None or least <= low <= item.value + 1e-12, item
            assert high is None or item.value - 1e-12 <= high <= most, item
    for item in result.comparisons:
        assert (item.value is None) == (item.why is not None)
        pairs = ((item.low, item.high), (item.pass_low, item.pass_high))
        for low, high in (*pairs, (item.violation_low, item.violation_high)):
            if item.value is not None:
                assert low is None or low <= item.value + 1e-9, item
                assert high is None or item.value - 1e-9 <= high, item


def compared(result: AuditResult) -> Iterator[tuple[Any, float]]:
    """Each difference and ratio against a group or everyone, with what the two estimates give."""
    found = {(item.metric, item.group): item.value for item in result.estimates}
    for item in result.comparisons:
        if item.comparison not in ("difference", "ratio") or item.value is None:
            continue
        named = (None if item.reference == "(missing)" else item.reference,)
        other = found.get((item.metric, () if item.reference == "overall" else named))
        mine = found.get((item.metric, item.group))
        if mine is not None and other is not None:
            yield item, mine - other if item.comparison == "difference" else mine / other


def rules_of(task: str, *comparisons: str) -> list[dict[str, Any]]:
    """A rule for each metric that fits the task, by each of the comparisons that it may be asked in."""
    made = []
    for name, metric in registry.metrics().items():
        allowed = metric.comparisons or ("difference", "ratio", "worst_group")
        if task not in registry.tasks_of(metric) or not metric.comparable:
            continue
        for comparison in (each for each in comparisons if each in allowed):
            bound = {"at_least": 0.8} if comparison == "ratio" else {"at_most": 0.1}
            if comparison != "ratio" or name not in ("auc", "calibration_in_the_large"):
                made.append({"metric": name, "comparison": comparison, **bound})
    return made


def decided(frame: pd.DataFrame) -> Expected:
    """The decision, inequality and utility families."""
    known = frame[frame.y.notna()]
    y, p, w = (known[name].to_numpy(dtype=float) for name in ("y", "p", "w"))
    tp, fn, fp, tn = (
        float(w[(y == a) & (p == b)].sum()) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))
    )  # fmt: skip
    one_sided = any(
        (frame[frame.p == side].w.sum() > 0 and known[known.p == side].w.sum() == 0)
        or ((frame.p == side).any() and not (known.p == side).any())
        for side in (0, 1)
    )  # fmt: skip
    if one_sided:
        return {"selection_rate": mean(frame.p, frame.w)}
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    recall, specificity = divided(tp, tp + fn), divided(tn, tn + fp)
    both = None if recall is None or specificity is None else (recall + specificity) / 2
    found: Expected = {
        "selection_rate": mean(frame.p, frame.w),
        "base_rate": mean(y, w),
        "true_positive_rate": recall,
        "true_negative_rate": specificity,
        "positive_predictive_value": divided(tp, tp + fp),
        "negative_predictive_value": divided(tn, tn + fn),
        "accuracy": mean(y == p, w),
        "balanced_accuracy": both,
        "f1": divided(2 * tp, 2 * tp + fp + fn),
        "matthews_corrcoef": (tp * tn - fp * fn) / math.sqrt(margins) if margins > 0 else None,
        "fn_fp_ratio": divided(fn, fp),
        "expected_utility": divided(3 * tp + fp + 0.5 * fn + 2 * tn, tp + fp + fn + tn),
        "harm_from_rejection": divided(2.5 * fn - tn, fn + tn),
    }
    worth = np.where(y == 1, np.where(p == 1, 3.0, 0.5), np.where(p == 1, 1.0, 2.0))
    middle = mean(worth, w)
    if middle is not None:
        b = worth / middle
        apart = np.abs(worth[:, None] - worth[None, :]) * w[:, None] * w[None, :]
        rooted, squared = mean(np.sqrt(worth), w), mean((b - 1) ** 2, w)
        assert rooted is not None
        assert squared is not None
        found |= {
            "generalized_entropy": squared / 2,
            "theil_t": mean(b * np.log(b), w),
            "theil_l": mean(-np.log(b), w),
            "atkinson": 1 - rooted**2 / middle,
            "coefficient_of_variation": math.sqrt(squared),
            "gini": float(apart.sum() / (2 * w.sum() ** 2 * middle)),
        }
    return found


def decisions(seed: int, n: int | None = None, missing: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = n or int(rng.integers(8, 250))
    y = rng.integers(0, 2, n).astype(float)
    p = np.where(rng.random(n) < 0.7, y, 1 - y)
    y[:2], p[:2] = (0, 1), (1, 0)
    labels = thinned(rng, y, missing)
    labels[:2] = y[:2]
    return people(
        rng, n, y=labels, p=p, s=np.clip(np.round((y + p + 1) / 4 + rng.normal(0, 0.1, n), 2), 0, 1)
    )


@SETTINGS
@given(SEEDS, st.booleans())
def test_decisions_inequality_and_utility(seed: int, weighted: bool) -> None:
    frame = decisions(seed)
    rules = [
        {"metric": name, "comparison": "difference", "at_most": 0.1} for name in ("gini", "f1", "theil_l")
    ]
    options = {"weight": "w"} if weighted else {}
    result = audited(frame, sensitive="g", label="y", prediction="p", utility=UTILITY, rules=rules, **options)
    check(result, frame if weighted else frame.assign(w=1.0), decided)


def predicted(frame: pd.DataFrame) -> Expected:
    """The regression family."""
    rows = frame[frame.p.notna()]
    if not len(rows):
        return {}
    known = rows[rows.y.notna()]
    y, p, w, e = (known[name].to_numpy(dtype=float) for name in ("y", "p", "w", "e"))
    squared, middle = mean((y - p) ** 2, w), mean(y, w)
    around = None if middle is None or len(np.unique(y)) < 2 else mean((y - middle) ** 2, w)
    negative = bool((y < 0).any() or (p < 0).any())
    # Where a weight makes one label all but the only one, neither this nor the sums can say.
    told = around is not None and squared is not None and around > 1e-6 * float(np.square(y).max())
    found: Expected = {
        "mean_prediction": mean(rows.p, rows.w),
        "mean_outcome": middle,
        "mean_residual": mean(y - p, w),
        "mae": mean(np.abs(y - p), w),
        "rmse": None if squared is None else math.sqrt(squared),
        "actual_expected": None if negative else divided((w * e * y).sum(), (w * e * p).sum()),
    }
    if told:
        assert around is not None
        assert squared is not None
        found["r2"] = 1 - squared / around
    return found


@SETTINGS
@given(SEEDS, st.booleans(), st.booleans())
def test_regression(seed: int, weighted: bool, exposed: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 300))
    y = rng.gamma(1, 100, n) - (50 if seed % 3 == 0 else 0)
    p = y * rng.lognormal(0, 0.5, n)
    kept = [thinned(rng, values) for values in (y, p)]
    for values, first in zip(kept, (y, p), strict=True):
        values[:2] = first[:2]
    frame = people(rng, n, y=kept[0], p=kept[1], e=rng.integers(1, 64, n) / 64)
    rules = rules_of("regression", "difference", "ratio", "distance", "worst_group")
    options = ({"weight": "w"} if weighted else {}) | ({"exposure": "e"} if exposed else {})
    result = audited(
        frame, sensitive="g", label="y", prediction="p", task="regression", rules=rules, **options
    )
    plain = frame.assign(w=frame.w if weighted else 1.0, e=frame.e if exposed else 1.0)
    check(result, plain, predicted)
    for item, value in compared(result):
        assert item.value == pytest.approx(value, rel=1e-7, abs=1e-7), item


CLASSES = ("x", "y", "z")


def classified(frame: pd.DataFrame) -> Expected:
    """The multiclass family, and a class against the rest where labels are on both sides of it."""
    rows = frame[frame.p.notna()]
    if not len(rows):
        return {}
    known = rows[rows.y.notna()]
    w, found = known.w, {"accuracy": mean(known.y == known.p, known.w)}
    parts = []
    for name in CLASSES:
        is_label, is_chosen = known.y == name, known.p == name
        found[f"selection_rate[{name}]"] = mean(rows.p == name, rows.w)
        found[f"positive_predictive_value[{name}]"] = mean(is_label[is_chosen], w[is_chosen])
        total = w[is_label].sum() + w[is_chosen].sum()
        if total > 0:
            parts.append(2 * w[is_label & is_chosen].sum() / total)
        sides = [(rows[rows.p == name], is_chosen), (rows[rows.p != name], ~is_chosen)]
        if all(w[side].sum() > 0 for _, side in sides):
            found[f"true_positive_rate[{name}]"] = mean(is_chosen[is_label], w[is_label])
            found[f"f1[{name}]"] = divided(2 * w[is_label & is_chosen].sum(), total)
    return {**found, "macro_f1": float(np.mean(parts)) if parts else None}


@SETTINGS
@given(SEEDS, st.booleans())
def test_multiclass(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 300))
    y = rng.choice(CLASSES, n)
    p = np.where(rng.random(n) < 0.6, y, rng.choice(CLASSES, n))
    y[:3], p[:3] = CLASSES, CLASSES
    kept = [thinned(rng, [str(value) for value in values]) for values in (y, p)]
    for values in kept:
        values[:3] = CLASSES
    frame = people(rng, n, y=kept[0], p=kept[1])
    frame.loc[:2, "w"] = 1.0
    rules = rules_of("multiclass", "difference", "distance", "worst_group")
    options = {"weight": "w"} if weighted else {}
    result = audited(
        frame, sensitive="g", label="y", prediction="p", task="multiclass", rules=rules, **options
    )
    check(result, frame if weighted else frame.assign(w=1.0), classified)


@FEW
@given(SEEDS, st.booleans())
def test_ranking(seed: int, scored: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for query in range(int(rng.integers(2, 40))):
        size = int(rng.integers(1, 10))
        order = rng.integers(0, 6, size) if scored else rng.permutation(size) + 1
        rows += [(f"q{query}", int(value)) for value in order]
    frame = people(rng, len(rows), q=[row[0] for row in rows], o=[float(row[1]) for row in rows])
    frame["rel"] = thinned(rng, [float(value) for value in rng.integers(0, 3, len(rows))])
    frame["place"] = frame.groupby("q").o.rank(ascending=not scored)
    top = int(rng.integers(1, 4))
    for name, worth in (("e", lambda k: 1 / math.log2(1 + k)), ("t", lambda k: float(k <= top))):
        frame[name] = [shared(frame, row, worth, scored=scored) for row in frame.itertuples()]
    rules = rules_of("ranking", "difference", "ratio", "worst_group")
    order = {"score": "o"} if scored else {"rank": "o"}
    result = audited(
        frame, sensitive="g", task="ranking", query="q", relevance="rel", top=top, rules=rules, **order
    )
    check(result, frame, lambda part: ranked(part, frame))
    for item, value in compared(result):
        assert item.value == pytest.approx(value, rel=1e-7, abs=1e-7), item


def shared(frame: pd.DataFrame, row: Any, worth: Callable[[float], float], *, scored: bool) -> float:
    """What the row's place is worth: the mean over the places that it shares with its equals."""
    if not scored:
        return worth(row.o)
    others = frame[frame.q == row.q].o
    above, equal = int((others > row.o).sum()), int((others == row.o).sum())
    return float(np.mean([worth(above + k) for k in range(1, equal + 1)]))


def ranked(part: pd.DataFrame, whole: pd.DataFrame) -> Expected:
    """The ranking family, but for NDKL, which has a test of its own."""
    known = part[part.rel.notna()]
    found: Expected = {
        "exposure": float(part.e.mean()),
        "top_k_rate": float(part.t.mean()),
        "exposure_per_relevance": divided(known.e.sum(), known.rel.sum()),
    }
    if len(part) == len(whole):
        return found
    right = pairs = 0.0
    others = whole[~whole.index.isin(part.index)]
    for one in known.itertuples():
        for other in others[(others.q == one.q) & (others.rel < one.rel)].itertuples():
            pairs += 1
            right += (one.place < other.place) + (one.place == other.place) / 2
    share = part.t.sum() / whole.t.sum()
    return found | {
        "exposure_share": float(part.e.sum() / whole.e.sum()),
        "top_k_share": float(share),
        "skew_at_k": math.log(share / (len(part) / len(whole))) if share > 0 else None,
        "pairwise_accuracy": divided(right, pairs),
    }


TASKS: dict[str, dict[str, Any]] = {
    "binary": {"label": "y", "prediction": "p", "score": "s"},
    "regression": {"label": "s", "prediction": "w"},
    "multiclass": {"label": "y", "prediction": "p"},
    "ranking": {"query": "q", "rank": "r", "relevance": "s"},
}


MORE: dict[str, dict[str, str]] = {"plain": {}, "weights": {"weight": "v"}, "clusters": {"cluster": "c"}}


@pytest.mark.parametrize(
    ("task", "more"),
    [(task, more) for task in TASKS for more in MORE if task != "ranking" or more == "plain"],
)
def test_against_everyone_a_value_is_compared_with_everyones(task: str, more: str) -> None:
    """A group's mean against everyone's is that against the rest, scaled; its F1 or AUC is not."""
    frame = decisions(7, 900, missing=0.0)
    rng = np.random.default_rng(8)
    frame["v"] = rng.integers(1, 64, len(frame)) / 64 * (1 + (frame.g == "b"))
    frame = frame.assign(
        q=np.arange(len(frame)) // 9, r=np.arange(len(frame)) % 9 + 1, c=rng.integers(0, 200, len(frame)),
        s=frame.s.clip(0.01, 0.99),
    )  # fmt: skip
    attributes = {"g": {"reference": "overall"}}
    rules = rules_of(task, "difference", "ratio", "distance")
    result = audited(
        frame, sensitive=attributes, task=task, rules=rules, utility=UTILITY, **TASKS[task], **MORE[more]
    )
    possible(result)
    seen = set()
    for item, value in compared(result):
        assert item.value == pytest.approx(value, rel=1e-7, abs=1e-7), item
        seen.add(item.metric.partition("[")[0])
    assert len(seen) > 2
    untested = [item for item in result.comparisons if item.value is not None and item.p_pass is None]
    assert all(item.blocked for item in untested)
    named = {item.metric for item in untested if "name rest" in str(item.blocked)}
    assert named >= {"binary": {"balanced_accuracy", "matthews_corrcoef"}, "regression": {"rmse", "r2"}}.get(
        task, set()
    )


def test_one_row_or_one_label_has_no_r2() -> None:
    """Σ(y − ȳ)² is 0 but for rounding, and a division by it gave −4·10¹¹."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": "a", "y": rng.gamma(1, 100, 200), "p": 50.0})
    odd = pd.DataFrame({"g": ["b"] + ["c"] * 5, "y": [33.3] + [0.1] * 5, "p": [1.0, 0.2, 0.1, 0.3, 0.1, 0.4]})
    near = pd.DataFrame({"g": "d", "y": [1e-6, 1.1e-6, 1.2e-6] * 20, "p": 1e-6})
    whole = pd.concat([frame, odd, near])
    result = audited(whole, sensitive="g", label="y", prediction="p", task="regression")
    found = {item.group: item for item in result.estimates if item.metric == "r2" and item.group}
    assert found[("a",)].value is not None
    assert [found[(name,)].why for name in "bc"] == ["the labels do not vary"] * 2
    assert "vary too little" in str(found[("d",)].why)


@pytest.mark.parametrize("kept", ["x", "y"])
def test_labels_of_one_predicted_class_alone_pass_nothing(kept: str) -> None:
    """Accuracy would be that class's precision, and a class's rate 0 in every group: parity."""
    rng = np.random.default_rng(1)
    y = rng.choice(CLASSES, 12_000)
    frame = people(rng, len(y), y=y.astype(object), p=np.where(rng.random(len(y)) < 0.6, y, "x"))
    frame = frame[frame.g.notna()]
    frame.loc[frame.p != kept, "y"] = None
    rules = [
        {"metric": name, "comparison": "difference", "at_most": 0.1}
        for name in ("accuracy", "error_rate", "macro_f1", "true_positive_rate", "false_positive_rate")
    ]
    result = audited(frame, sensitive="g", label="y", prediction="p", task="multiclass", rules=rules)
    assert [rule.verdict.value for rule in result.rules] == ["inconclusive"] * 5
    values = {(item.metric, item.group): item for item in result.estimates}
    for name in ("accuracy", "macro_f1", f"true_positive_rate[{kept}]"):
        assert values[name, ("a",)].why == "labels only where selected"
    assert any("label coverage runs from 0% to 100%" in warning for warning in result.data.warnings)
    assert {(item.prediction, item.labelled > 0) for item in result.data.label_coverage} == {
        (place, name == kept) for place, name in enumerate(CLASSES)
    }


def test_a_group_all_of_whose_labels_are_right_is_right() -> None:
    """Rows without a label were read as wrong ones, and the others as selected."""
    frame = pd.DataFrame(
        {"g": ["a"] * 60 + ["b"] * 6, "y": list("xyz") * 22, "p": list("xyz") * 20 + list("xyzxyz")}
    )
    frame.loc[[0, 3, 61], "y"] = None
    result = audited(frame, sensitive="g", label="y", prediction="p", task="multiclass")
    found = {item.group: item.value for item in result.estimates if item.metric == "accuracy"}
    assert found == {(): 1.0, ("a",): 1.0, ("b",): 1.0}


def test_labels_only_of_those_not_selected_say_nothing_either() -> None:
    """Re-arrest is known of those set free alone: TPR = FPR = 0 in every group, hence fair."""
    rng = np.random.default_rng(2)
    frame = people(rng, 4000, y=rng.integers(0, 2, 4000).astype(float), p=rng.integers(0, 2, 4000))
    frame.loc[frame.p == 1, "y"] = np.nan
    rules = [
        {"metric": "equalized_odds", "at_most": 0.1},
        {"metric": "error_rate", "comparison": "ratio", "at_least": 0.8},
    ]
    result = audited(frame, sensitive="g", label="y", prediction="p", outcome="adverse", rules=rules)
    assert result.verdict.value == "inconclusive"
    values = {item.metric: item for item in result.estimates if item.group == ("a",)}
    for name in ("true_positive_rate", "false_positive_rate", "accuracy", "f1"):
        assert values[name].why == "labels only where not selected"
    assert values["negative_predictive_value"].value is not None


def test_a_root_mean_square_of_heavy_tails_is_not_judged_by_a_few_rows() -> None:
    """Its upper limit fell short twice as often as it said: without a few large errors it looks small."""
    rng = np.random.default_rng(4)
    names = [f"g{number}" for number in range(400)]
    frame = pd.DataFrame({"g": np.repeat(names, 100), "y": rng.standard_t(3, 40_000), "p": 0.0})
    rule = {"metric": "rmse", "comparison": "worst_group", "at_most": math.sqrt(3)}
    options = {"sensitive": "g", "label": "y", "prediction": "p", "task": "regression"}
    result = audited(frame, rules=[rule], **options)
    # Every group lies on the bound: 20 are expected to be called within it at the level, 46 were.
    assert sum(item.p_pass is not None and item.p_pass <= 0.05 for item in result.comparisons) <= 25
    untested = [item for item in result.comparisons if item.p_pass is None]
    assert untested
    assert all("a few rows carry its spread" in str(item.blocked) for item in untested)
    light = pd.DataFrame({"g": ["a", "b"] * 1000, "y": rng.normal(size=2000), "p": 0.0})
    ratio = {"metric": "rmse", "comparison": "ratio", "at_least": 0.8}
    assert audited(light, rules=[ratio], **options).verdict.value == "pass"

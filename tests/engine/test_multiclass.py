"""The multiclass family: against scikit-learn and plain arithmetic; classes of any name; bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from audit.engine import tasks
from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.engine.source import open_source
from audit.errors import AuditError
from audit.registry import with_class
from audit.spec import from_dict

EXACT = 1e-12
CLASSES = ["gold", "<b>silver</b>", "bron[z]e", "=cmd()", "two\nlines", "🥇"]


def make(n: int = 4000, classes: list | None = None, seed: int = 11) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    names = CLASSES if classes is None else classes
    group = draw.choice(["a", "b", "c"], n, p=[0.3, 0.5, 0.2])
    y = draw.choice(names, n)
    p = np.where(draw.random(n) < 0.8 - 0.15 * (group == "a"), y, draw.choice(names, n))
    return pd.DataFrame(
        {"g": group, "y": y, "p": p, "w": draw.uniform(0.5, 2, n), "id": draw.integers(0, 150, n)}
    )


def spec_of(rules: list | None = None, control: list | None = None, **columns: str) -> Any:
    data = {
        "task": "multiclass",
        "columns": {"label": "y", "prediction": "p", **columns},
        "attributes": {"g": {}},
        "control": control or [],
    }
    return from_dict({"system": {"name": "s"}, "data": data, "policy": {"rules": rules or []}})


def run(frame: pd.DataFrame, rules: list | None = None, **columns: str) -> Any:
    return audit(spec_of(rules, **columns), frame=frame, created_at="2026-01-01T00:00:00Z")[0]


def value(result: Any, metric: str, group: str) -> Any:
    return next(e for e in result.estimates if e.metric == metric and e.group == (group,))


def test_each_class_against_the_rest_is_scikit_learns() -> None:
    frame = make()
    result = run(frame)
    assert result.data.classes == tuple(sorted(CLASSES))
    for group in "abc":
        s = frame[frame.g == group]
        wanted = {
            "true_positive_rate": sk.recall_score(s.y, s.p, labels=CLASSES, average=None),
            "positive_predictive_value": sk.precision_score(s.y, s.p, labels=CLASSES, average=None),
            "f1": sk.f1_score(s.y, s.p, labels=CLASSES, average=None),
        }
        for metric, values in wanted.items():
            for name, oracle in zip(CLASSES, values, strict=True):
                assert value(result, with_class(metric, name), group).value == pytest.approx(
                    oracle, abs=EXACT
                )
        assert value(result, "accuracy", group).value == pytest.approx(sk.accuracy_score(s.y, s.p), abs=EXACT)
        assert value(result, "macro_f1", group).value == pytest.approx(
            sk.f1_score(s.y, s.p, average="macro"), abs=EXACT
        )


def test_weights_are_scikit_learns_sample_weights() -> None:
    frame = make()
    result = run(frame, weight="w")
    s = frame[frame.g == "a"]
    oracle = sk.f1_score(s.y, s.p, average="macro", sample_weight=s.w)
    assert value(result, "macro_f1", "a").value == pytest.approx(oracle, abs=1e-8)


def test_total_variation_is_half_the_sum_of_gaps() -> None:
    frame = make()
    result = run(frame, [{"metric": "prediction_total_variation", "comparison": "distance", "at_most": 0.9}])
    shares = pd.crosstab(frame.g, frame.p, normalize="index")
    for found in result.comparisons:
        oracle = (shares.loc[found.group[0]] - shares.loc[found.reference]).abs().sum() / 2
        assert found.value == pytest.approx(oracle, abs=EXACT)
        assert found.low <= found.value <= found.high


def test_disjoint_classes_are_at_the_largest_distance() -> None:
    frame = make().assign(p=lambda f: np.where(f.g == "a", "gold", "🥇"))
    result = run(frame, [{"metric": "prediction_total_variation", "comparison": "distance", "at_most": 0.2}])
    assert {c.group[0]: c.value for c in result.comparisons} == {"a": 1.0, "c": 0.0}
    assert result.verdict == "violation"


def test_macro_f1s_interval_is_the_bootstraps() -> None:
    frame = make(1500)
    found = value(run(frame), "macro_f1", "b")
    s = frame[frame.g == "b"].reset_index(drop=True)
    draw = np.random.default_rng(2)
    rows = (draw.integers(0, len(s), len(s)) for _ in range(300))
    again = [sk.f1_score(s.y[i], s.p[i], average="macro") for i in rows]
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(again), rel=0.15)


def test_a_rule_without_a_class_holds_for_all_and_names_the_worst() -> None:
    frame = make(8000)
    spoiled = frame.assign(p=np.where((frame.g == "c") & (frame.y == "gold"), "🥇", frame.p))
    rules = [{"metric": "true_positive_rate", "comparison": "worst_group", "at_least": 0.5}]
    assert run(frame, rules).verdict == "pass"
    result = run(spoiled, rules)
    assert result.verdict == "violation"
    assert len(result.comparisons) == 18
    assert "of gold, c alone" in result.rules[0].why


def test_a_rule_with_a_class_holds_for_it_alone() -> None:
    frame = make()
    rule = {"metric": "equalized_odds", "class": "gold", "comparison": "difference", "at_most": 0.2}
    result = run(frame, [rule])
    assert {c.metric for c in result.comparisons} == {"true_positive_rate[gold]", "false_positive_rate[gold]"}
    with pytest.raises(AuditError, match=r"class 'gild', which does not occur(.|\n)*Did you mean gold"):
        run(frame, [{**rule, "class": "gild"}])


def test_within_strata_each_class_is_compared() -> None:
    frame = make().assign(d=lambda f: np.where(f.id < 75, "x", "y"))
    rule = {
        "metric": "selection_rate",
        "class": "gold",
        "comparison": "conditional_difference",
        "at_most": 0.2,
    }
    spec = spec_of([rule], control=["d"])
    result = audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    assert result.verdict == "pass"
    assert {c.metric for c in result.conditional} == {"selection_rate[gold]"}


def test_classes_that_are_numbers_or_truth_values() -> None:
    for names in ([0, 1, 2], [1.0, 2.5, 3.0], [True, False]):
        frame = make(600, names)
        result = run(frame)
        assert value(result, "accuracy", "a").value == pytest.approx(
            (frame.y == frame.p)[frame.g == "a"].mean(), abs=EXACT
        )


def test_a_class_absent_from_a_group_is_undefined_there() -> None:
    frame = make(900, ["gold", "tin", "lead"])
    frame = frame[~((frame.g == "c") & ((frame.y == "tin") | (frame.p == "tin")))]
    found = value(run(frame), "true_positive_rate[tin]", "c")
    assert found.value is None
    assert found.why
    s = frame[frame.g == "c"]
    assert value(run(frame), "macro_f1", "c").value == pytest.approx(sk.f1_score(s.y, s.p, average="macro"))


def test_clusters_give_every_metric_an_interval_and_block_distances() -> None:
    frame = make()
    rules = [
        {"metric": "macro_f1", "comparison": "difference", "at_most": 0.3},
        {"metric": "prediction_total_variation", "comparison": "distance", "at_most": 0.5},
    ]
    result = run(frame, rules, cluster="id")
    assert result.rules[0].verdict == "pass"
    assert result.rules[1].verdict == "inconclusive"


def test_missing_labels_and_predictions_are_accounted_for() -> None:
    frame = make(1000)
    frame.loc[:19, "y"] = None
    frame.loc[20:24, "p"] = None
    result = run(frame)
    assert [(x.reason, x.rows) for x in result.data.excluded] == [("no prediction", 5)]
    assert next(e for e in result.estimates if e.metric == "accuracy" and e.group == ()).n == 975
    assert next(e for e in result.estimates if e.metric == "count" and e.group == ()).value == 995


def take(frame: pd.DataFrame) -> Counts:
    spec = spec_of()
    with open_source(spec, frame=frame) as source:
        return tasks.count(spec, source)


def test_counts_are_saved_loaded_and_added_under_the_classes_of_both() -> None:
    frame = make(2000)
    whole = take(frame)
    assert Counts.load(whole.save()).save() == whole.save()
    some = frame[~(frame.y.eq("🥇") | frame.p.eq("🥇"))]
    other = frame.drop(some.index)
    joined = take(some) + Counts.load(take(other).save())
    assert joined.save() == whole.save()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.assign(y="gold", p="gold"), "nothing to tell apart"),
        (lambda f: f.assign(p="Gold"), "no label is ever predicted"),
        (
            lambda f: f.assign(y=[f"c{i % 90}" for i in f.index], p=[f"c{i % 90 + 40}" for i in f.index]),
            "130 classes",
        ),
        (lambda f: f.assign(p=None), "no"),
        (lambda f: f[:0], "no rows"),
    ],
)
def test_bad_input_ends_in_words(change: Any, words: str) -> None:
    with pytest.raises(AuditError, match=words):
        run(change(make(900)))


def test_constant_predictions_and_a_group_of_one_row() -> None:
    frame = make(600).assign(p="gold")
    frame.loc[0, "g"] = "alone"
    result = run(frame, [{"metric": "accuracy", "comparison": "difference", "at_most": 0.2}])
    assert value(result, "positive_predictive_value[🥇]", "a").value is None
    assert value(result, "prediction_total_variation", "a").value == 0
    assert "under min_group" in next(c for c in result.comparisons if c.group == ("alone",)).blocked

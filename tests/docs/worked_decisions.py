"""Worked examples of decisions, named comparisons, utility, inequality, classes and individuals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from audit.analysis.individuals import consistency, measure_flips
from audit.engine.run import audit
from audit.registry import metrics
from audit.spec import from_dict
from tests.docs.worked import against_b, one, only, value_of, worked
from tests.engine.make import CREATED, estimate, run, table

CHOSEN = {"prediction": "p"}
REPAID = "40 30 10 60 12"
"""Repaid, of them approved and not; not repaid, of them approved."""
RATES = {
    **{"true_positive_rate": "0.75", "false_negative_rate": "0.25", "false_positive_rate": "0.20"},
    **{"true_negative_rate": "0.80", "positive_predictive_value": "0.71", "false_discovery_rate": "0.29"},
    **{"negative_predictive_value": "0.83", "false_omission_rate": "0.17", "accuracy": "0.78"},
    **{"error_rate": "0.22", "balanced_accuracy": "0.775", "f1": "0.73", "matthews_corrcoef": "0.55"},
    "fn_fp_ratio": "0.83",
}


def loans(repaid: float, approved: float, refused: float, others: float, wrongly: float) -> pd.DataFrame:
    assert repaid == approved + refused
    counts = (approved, refused, wrongly, others - wrongly)
    return table(a=tuple(map(round, counts)), b=(50, 50, 50, 50))  # type: ignore[arg-type]


for _name, _shown in RATES.items():
    worked(_name, REPAID, _shown)(lambda *given, name=_name: one(loans(*given), name))


@worked("count", "7,214 1,395", "")
def _(everyone: float, women: float) -> Any:
    result = run(only(0, women, 5, everyone - women), CHOSEN)
    assert (estimate(result, "count").value, estimate(result, "count", g="a").value) == (everyone, women)
    return ()


@worked("share_of_population", "1,395 7,214", "0.193")
def _(women: float, everyone: float) -> float:
    return one(only(0, women, 5, everyone - women), "share_of_population", CHOSEN)


@worked("share_of_selected", "50 100 10 20", ".83 .17")
def _(*given: float) -> Any:
    result = run(only(*given), CHOSEN)
    assert len({estimate(result, "selection_rate", g=group).value for group in "ab"}) == 1
    return tuple(estimate(result, "share_of_selected", g=group).value for group in "ab")


@worked("base_rate", "40 100", "0.40")
def _(repaid: float, people: float) -> float:
    return one(table(a=(round(repaid), 0, 0, round(people - repaid)), b=(5, 5, 5, 5)), "base_rate")


@worked("selection_rate", "42 100", "0.42")
def _(approved: float, people: float) -> float:
    return one(only(approved, people, 1, 2), "selection_rate", CHOSEN)


@worked("demographic_parity", "0.42 0.50", "−0.08 0.84")
def _(mine: float, theirs: float) -> Any:
    rows = only(100 * mine, 100, 100 * theirs, 100)
    return tuple(value_of(rows, "demographic_parity", kind, CHOSEN) for kind in ("difference", "ratio"))


@worked("four_fifths", "45 100 60 48", "0.75 0.80")
def _(low: float, people: float, high: float, just: float) -> Any:
    found = []
    for mine, verdict in ((low, "violation"), (just, "pass")):
        result = run(only(mine, people, high, people), CHOSEN, {"metric": "four_fifths"})
        [item] = [c for c in result.comparisons if c.group == ("a",)]
        assert item.by_point == verdict
        found.append(item.value)
    return tuple(found)


def by_label(positive: tuple[float, float], negative: tuple[float, float]) -> pd.DataFrame:
    """Rows of a and b: 10,000 of either label, of which these shares are predicted positive."""
    return table(**{
        group: (round(1e4 * hit), round(1e4 * (1 - hit)), round(1e4 * false), round(1e4 * (1 - false)))
        for group, hit, false in zip("ab", positive, negative, strict=True)
    })  # fmt: skip


@worked("equal_opportunity", "0.75 0.85", "−0.10")
def _(*rates: float) -> float:
    return value_of(by_label(rates, (0.2, 0.2)), "equal_opportunity", "difference")  # type: ignore[arg-type]


@worked("predictive_equality", "44.85% 23.45%", "0.214")
def _(*rates: float) -> float:
    return value_of(by_label((0.7, 0.7), rates), "predictive_equality", "difference")  # type: ignore[arg-type]


def odds(true: float, false: float) -> list[float]:
    """The compared rates, whose differences are these."""
    rows = by_label((0.5 + true / 2, 0.5 - true / 2), (0.5 + false / 2, 0.5 - false / 2))
    found = against_b(rows, {"metric": "equalized_odds", "comparison": "difference", "at_most": 0.99})
    return [float(item.value) for item in found if item.value is not None]


@worked("equalized_odds", "−0.20 −0.21", "0.21")
def _(true: float, false: float) -> float:
    found = odds(true, false)
    np.testing.assert_allclose(sorted(found), sorted((true, false)), atol=1e-9)
    return max(map(abs, found))


@worked("average_odds", "0.5 −0.5", "0")
def _(true: float, false: float) -> float:
    return float(np.mean(odds(true, false)))


@worked("average_abs_odds", "0.5 −0.5", "0.5")
def _(true: float, false: float) -> float:
    return float(np.mean(np.abs(odds(true, false))))


def by_prediction(right: tuple[float, float], wrong: tuple[float, float]) -> pd.DataFrame:
    """Rows of which these shares of 100 positive predictions are right, and of 100 negative ones."""
    return table(**{
        group: (round(100 * ppv), round(100 * (1 - npv)), round(100 * (1 - ppv)), round(100 * npv))
        for group, ppv, npv in zip("ab", right, wrong, strict=True)
    })  # fmt: skip


@worked("predictive_parity", "0.63 0.59", "0.04")
def _(*rates: float) -> float:
    return value_of(by_prediction(rates, (0.8, 0.8)), "predictive_parity", "difference")  # type: ignore[arg-type]


@worked("conditional_use_accuracy", "", "0.04 −0.06")
def _() -> Any:
    rows = by_prediction((0.63, 0.59), (0.70, 0.76))
    rule = {"metric": "conditional_use_accuracy", "comparison": "difference", "at_most": 0.99}
    return tuple(item.value for item in against_b(rows, rule))


@worked("overall_accuracy", "0.64 0.67", "−0.03")
def _(*rates: float) -> float:
    return value_of(by_prediction(rates, rates), "overall_accuracy", "difference")  # type: ignore[arg-type]


@worked("treatment_equality", "0.66 1.32", "0.50")
def _(mine: float, theirs: float) -> float:
    rows = table(a=(90, round(100 * mine), 100, 90), b=(90, round(100 * theirs), 100, 90))
    return value_of(rows, "treatment_equality", "ratio")


@worked("differential_fairness", "0.2 0.3", "0.41 0.13")
def _(low: float, high: float) -> Any:
    result = run(
        only(100 * low, 100, 100 * high, 100), CHOSEN, {"metric": "differential_fairness", "at_most": 0.99}
    )
    rates = [estimate(result, "selection_rate", g=group).value for group in "ab"]
    return max(c.value for c in result.comparisons), float(np.log((1 - rates[0]) / (1 - rates[1])))


def valued(frame: pd.DataFrame, metric: str, **system: Any) -> float:
    """A metric that is measured on request, of group a."""
    spec = from_dict(
        {
            "system": {"name": "example", **system},
            "data": {"columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}},
            "policy": {"rules": [{"metric": metric, "comparison": "difference", "at_most": 0.99}]}
            if metrics()[metric].comparable
            else {"rules": [{"metric": "generalized_entropy", "comparison": "difference", "at_most": 0.99}]},
        }
    )
    found = estimate(audit(spec, frame=frame, created_at=CREATED)[0], metric, g="a").value
    assert found is not None
    return found


WORTH = "1 −2 −1 0"


@worked("expected_utility", f"{WORTH} 30 12 10 48", "−0.04")
def _(tp: float, fp: float, fn: float, tn: float, *n: float) -> float:
    rows = table(a=(round(n[0]), round(n[2]), round(n[1]), round(n[3])), b=(9, 9, 9, 9))
    return valued(rows, "expected_utility", utility={"tp": tp, "fp": fp, "fn": fn, "tn": tn})


@worked("harm_from_rejection", f"{WORTH} 10 48", "−1.31")
def _(tp: float, fp: float, fn: float, tn: float, missed: float, refused: float) -> float:
    rows = table(a=(30, round(missed), 12, round(refused)), b=(9, 9, 9, 9))
    return valued(rows, "harm_from_rejection", utility={"tp": tp, "fp": fp, "fn": fn, "tn": tn})


BENEFITS = "100 10 0 78 1 12 2"
"""People; of them so many with each benefit, a miss being 0 and a false alarm 2."""
INDICES = {
    **{"generalized_entropy": "0.1055", "theil_t": "0.1433", "atkinson": "0.1157"},
    **{"coefficient_of_variation": "0.4594", "gini": "0.1918"},
}


def benefits(people: float, none: float, _0: float, some: float, _1: float, more: float, _2: float) -> Any:
    assert people == none + some + more
    assert (_0, _1, _2) == (0, 1, 2)
    return table(a=(0, round(none), round(more), round(some)), b=(40, 10, 10, 40))


for _name, _shown in INDICES.items():
    worked(_name, BENEFITS, f"1.02 {_shown}")(
        lambda *given, name=_name: (
            float((benefits(*given).query("g == 'a'").eval("p - y + 1")).mean()),
            valued(benefits(*given), name),
        )
    )


@worked("theil_l", "1 2", "0.0589")
def _(*_: float) -> float:
    return valued(table(a=(50, 0, 50, 0), b=(40, 10, 10, 40)), "theil_l")


@worked("between_group_share", "0.9 1.1 0.1", "0.05")
def _(mine: float, theirs: float, inequality: float) -> float:
    rows = table(a=(40, 15, 5, 40), b=(40, 5, 15, 40))
    benefit = (rows.p - rows.y + 1).groupby(rows.g).mean()
    np.testing.assert_allclose([benefit["a"], benefit["b"]], [mine, theirs])
    both = pd.concat([rows.assign(g="a"), table(b=(1, 1, 1, 1))])
    np.testing.assert_allclose(valued(both, "generalized_entropy"), inequality)
    return valued(rows, "between_group_share")


def of_classes(frame: pd.DataFrame, metric: str, kind: str) -> Any:
    data = {"task": "multiclass", "columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}}
    rule = {"metric": metric, "comparison": kind, "at_most": 0.99}
    spec = from_dict({"system": {"name": "example"}, "data": data, "policy": {"rules": [rule]}})
    return audit(spec, frame=frame, created_at=CREATED)[0]


@worked("macro_f1", "0.9 0.8 0.4", "0.70")
def _(*parts: float) -> float:
    """Labels and predictions of 2·TP and, mixed up with another class, FP + FN that make each F1."""
    right, mixed = {"x": 90, "y": 60, "z": 10}, {"xy": 10, "xz": 10, "yz": 20}
    for name, part in zip("xyz", parts, strict=True):
        wrong = sum(n for pair, n in mixed.items() if name in pair)
        np.testing.assert_allclose(2 * right[name] / (2 * right[name] + wrong), part)
    pairs = [(name, name, n) for name, n in right.items()] + [(*pair, n) for pair, n in mixed.items()]
    rows = pd.DataFrame([("a", y, p) for y, p, n in pairs for _ in range(n)], columns=["g", "y", "p"])
    result = of_classes(pd.concat([rows, rows.assign(g="b")]), "macro_f1", "difference")
    return float(estimate(result, "macro_f1", g="a").value or 0)


@worked("prediction_total_variation", ".5 .3 .2 .4 .3 .3", "0.10")
def _(*share: float) -> float:
    parts = [(g, c, round(100 * s)) for g, c, s in zip("aaabbb", "xyzxyz", share, strict=True)]
    rows = pd.DataFrame([(g, p) for g, p, n in parts for _ in range(n)], columns=["g", "p"]).assign(y="x")
    rows.loc[::2, "y"] = "y"
    rows.loc[::5, "y"] = "z"
    [found] = of_classes(rows, "prediction_total_variation", "distance").comparisons[:1]
    return float(found.value)


@worked("consistency", "1", "0.5")
def _(neighbours: float) -> float:
    at, decided = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([1.0, 1.0, 0.0, 1.0])
    return float(consistency(at, decided, neighbours=round(neighbours)).mean())


@worked("counterfactual_flip_rate", "500 30", "0.06")
def _(women: float, flipped: float) -> float:
    frame = pd.DataFrame({"sex": ["f"] * round(women) + ["m"], "x": range(round(women) + 1)})
    model: Any = SimpleNamespace(
        features=("sex", "x"), decide=lambda rows: ((rows.sex == "m") & (rows.x < flipped)).to_numpy()
    )
    [found] = [item for item in measure_flips(frame, model, "sex") if item.group == "f"]
    return float(found.value or 0)

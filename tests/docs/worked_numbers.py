"""Worked examples of scores, predicted numbers and rankings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.engine.run import audit
from audit.spec import from_dict
from tests.docs.worked import one, worked
from tests.engine.make import CREATED, estimate

SCORED = {"label": "y", "score": "s"}
PREDICTED = {"label": "y", "prediction": "p"}


def scored(positive: Any, negative: Any, others: Any = ((0.6,), (0.5,))) -> pd.DataFrame:
    """Group a of these scores by label, and b of others."""
    parts = [(g, y, s) for g, both in (("a", (positive, negative)), ("b", others))
             for y, part in zip((1, 0), both, strict=True) for s in part]  # fmt: skip
    return pd.DataFrame(parts, columns=["g", "y", "s"])


@worked("auc", ".8 .6 .7 .2", "3 4 0.75")
def _(*s: float) -> Any:
    area = one(scored(s[:2], s[2:]), "auc", SCORED)
    return area * 4, 2 * 2, area


@worked("proxy_auc", "94 100", ".94")
def _(named: float, pairs: float) -> float:
    """Ten women and ten men: one woman's score lies above four men's and below six."""
    assert named == pairs - 6
    return one(scored([0.5] * 9 + [0.145], np.arange(1, 11) / 32), "auc", SCORED)


@worked("calibration_in_the_large", "0.45 40%", "+0.05")
def _(score: float, share: float) -> float:
    positives = round(100 * share)
    return one(scored([score] * positives, [score] * (100 - positives)), "calibration_in_the_large", SCORED)


@worked("expected_calibration_error", "50 .02 .06", "0.04")
def _(rows: float, first: float, second: float) -> float:
    low, high = 0.3 + first, 0.7 + second
    parts = [low] * 15 + [high] * 35, [low] * round(rows - 15) + [high] * round(rows - 35)
    return one(scored(*parts), "expected_calibration_error", SCORED)


@worked("brier", ".8 .3 1 0", "0.065")
def _(first: float, second: float, *labels: float) -> float:
    assert labels == (1, 0)
    return one(scored([first], [second]), "brier", SCORED)


@worked("log_loss", ".8 .3 1 0", "0.29")
def _(first: float, second: float, *labels: float) -> float:
    assert labels == (1, 0)
    return one(scored([first], [second]), "log_loss", SCORED)


@worked("mean_score", ".2 .4 .9", "0.5")
def _(*s: float) -> float:
    return one(scored(s[:1], s[1:]), "mean_score", SCORED)


@worked("calibration_slope", ".1 .9 20% 80%", "0.63")
def _(low: float, high: float, few: float, many: float) -> float:
    up, down = round(100 * few), round(100 * many)
    rows = scored([low] * up + [high] * down, [low] * (100 - up) + [high] * (100 - down))
    return one(rows, "calibration_slope", SCORED)


@worked("average_precision", "1 0 1", "0.83")
def _(*labels: float) -> float:
    at = [0.9, 0.6, 0.3]
    rows = [[s for s, y in zip(at, labels, strict=True) if y == label] for label in (1, 0)]
    return one(scored(*rows), "average_precision", SCORED)


@worked("balance_for_positive_class", ".9 .6", "0.75")
def _(*s: float) -> float:
    return one(scored(s, [0.2]), "balance_for_positive_class", SCORED)


@worked("balance_for_negative_class", ".1 .2 .6", "0.3")
def _(*s: float) -> float:
    return one(scored([0.9], s), "balance_for_negative_class", SCORED)


@worked("score_ks", ".2 .4 .4 .6", "0.5")
def _(*s: float) -> float:
    return one(scored(s[:1], s[1:2], (s[2:3], s[3:])), "score_ks", SCORED)


@worked("score_wasserstein", ".2 .4 .4 .6", "0.2")
def _(*s: float) -> float:
    return one(scored(s[:1], s[1:2], (s[2:3], s[3:])), "score_wasserstein", SCORED)


@worked("abroca", "", "0.5")
def _() -> float:
    return one(scored([0.9], [0.1], ([0.5], [0.5])), "abroca", SCORED)


@worked("scoring_rate", "18 28", "0.64")
def _(above: float, people: float) -> float:
    below = people - above
    sides = [[0.8] * round(n) + [0.2] * round(m) for n, m in ((above, below), (below, above))]
    rows = scored(sides[0], [], (sides[1], [0.2, 0.8]))
    rule = {"metric": "scoring_rate", "comparison": "difference", "at_most": 0.99}
    return one(rows, "scoring_rate", SCORED, rules=[rule])


def predicted(frame: pd.DataFrame, metric: str, **columns: str) -> float:
    """The metric of group a, from numbers that were predicted."""
    return one(frame, metric, PREDICTED | columns, task="regression")


TWO = "100 200 110 160"
RESIDUALS = {
    **{"mean_residual": "15", "mae": "25", "rmse": "29.2", "r2": "0.66"},
    **{"mean_outcome": "150", "mean_prediction": "135"},
}


def two(*n: float) -> pd.DataFrame:
    return pd.DataFrame({"g": ["a", "a", "b", "b"], "y": [*n[:2], 90, 80], "p": [*n[2:], 100, 70]})


for _name, _shown in RESIDUALS.items():
    worked(_name, TWO, _shown)(lambda *given, name=_name: predicted(two(*given), name))


@worked("actual_expected", "200 250", "0.80")
def _(came: float, expected: float) -> float:
    rows = pd.DataFrame({"g": list("aabb"), "y": [0, came, 1, 2], "p": [expected / 2, expected / 2, 1, 2]})
    return predicted(rows, "actual_expected")


def gap(mine: Any, theirs: Any, metric: str) -> float:
    """The distance of a's predictions from b's."""
    rows = pd.DataFrame({"g": ["a"] * len(mine) + ["b"] * len(theirs), "p": [*mine, *theirs]}).assign(y=1.0)
    rows.loc[0, "y"] = 2.0
    data = {"task": "regression", "columns": PREDICTED, "attributes": {"g": {"reference": "b"}}}
    rule = {"metric": metric, "comparison": "distance", "at_most": 99}
    spec = from_dict({"system": {"name": "example"}, "data": data, "policy": {"rules": [rule]}})
    [found] = audit(spec, frame=rows, created_at=CREATED)[0].comparisons
    return float(found.value or 0)


@worked("prediction_ks", "60% 100 40%", "0.20")
def _(mine: float, at: float, theirs: float) -> float:
    sides = [[at] * round(100 * part) + [at + 9] * round(100 - 100 * part) for part in (mine, theirs)]
    return gap(*sides, "prediction_ks")


@worked("prediction_wasserstein", "5", "5")
def _(off: float) -> float:
    theirs = np.array([10.0, 30.0, 70.0])
    return gap(theirs + off, theirs, "prediction_wasserstein")


@worked("parity_at_quantiles", "60% 45%", "0.15")
def _(mine: float, theirs: float) -> float:
    sizes = ((100, mine), (200, theirs))
    assert sum(n * part for n, part in sizes) == 150
    sides = [[80.0] * round(n * part) + [20.0] * round(n - n * part) for n, part in sizes]
    return gap(*sides, "parity_at_quantiles")


def ranked(lists: list[str], metric: str, top: int, relevant: str = "ab") -> dict[str, float | None]:
    """The metric by group, from lists of groups in their order."""
    rows = [
        (q, g, place, int(g in relevant)) for q, one_ in enumerate(lists) for place, g in enumerate(one_, 1)
    ]
    data = {
        **{"task": "ranking", "columns": {"query": "q", "rank": "rank", "relevance": "rel"}},
        **{"attributes": {"g": {}}, "top": top},
    }
    spec = from_dict({"system": {"name": "example"}, "data": data, "policy": {"rules": []}})
    frame = pd.DataFrame(rows, columns=["q", "g", "rank", "rel"])
    result = audit(spec, frame=frame, created_at=CREATED)[0]
    return {g: estimate(result, metric, g=g).value for g in "ab"}


@worked("top_k_rate", "1", "0.5 0")
def _(top: float) -> Any:
    return tuple(ranked(["abab"], "top_k_rate", round(top)).values())


@worked("top_k_share", "1", "")
def _(top: float) -> Any:
    assert ranked(["abab"], "top_k_share", round(top)) == {"a": 1.0, "b": 0.0}
    return ()


@worked("skew_at_k", "", "−0.693")
def _() -> Any:
    return ranked(["abbbaaab"], "skew_at_k", 4)["a"]


@worked("exposure", "", "0.75 0.531")
def _() -> Any:
    return tuple(ranked(["abab"], "exposure", 1).values())


@worked("exposure_share", "", "0.586")
def _() -> Any:
    return ranked(["abab"], "exposure_share", 1)["a"]


@worked("exposure_per_relevance", "1", "0.75 0.531 0.708")
def _(relevance: float) -> Any:
    assert relevance == 1
    found = ranked(["abab"], "exposure_per_relevance", 1)
    a, b = (float(found[g] or 0) for g in "ab")
    return a, b, b / a


@worked("pairwise_accuracy", "8 10", "0.8")
def _(above: float, lists: float) -> Any:
    given = ["ab"] * round(above) + ["ba"] * round(lists - above)
    return ranked(given, "pairwise_accuracy", 1, relevant="a")["a"]


@worked("ndkl", "", "0.425")
def _() -> Any:
    return ranked(["ab"], "ndkl", 1)["a"]

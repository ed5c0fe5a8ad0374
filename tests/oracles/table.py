"""ORACLES: by metric, who else computes it, and how; and the largest difference on the five data sets.

`python -m tests.oracles.table` writes docs/oracles.json, which docs/build.py prints; a test computes
it again. A family that is new adds its entries here: an `Oracle`, or a `ByHand` where no library is sound.
"""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk

from audit.engine.run import audit
from audit.registry import metrics, split_class
from audit.result import AuditResult
from audit.spec import from_dict
from tests.engine.make import CREATED
from tests.oracles import people, rows

FILE = Path(__file__).resolve().parents[2] / "docs" / "oracles.json"
BOUND = 1e-10
Frame = pd.DataFrame
WORTH = {"tp": 1.0, "fp": -2.0, "fn": -1.0, "tn": 0.25}


@dataclass(frozen=True)
class Oracle:
    """Who computes the metric, and the metric of one group: from its rows, and the rows of all others."""

    name: str
    compute: Callable[[Frame, Frame], float]


@dataclass(frozen=True)
class ByHand:
    """Why no library is the oracle, and where the hand-computed cases stand."""

    why: str
    where: str


def _sk(name: str, compute: Callable[..., float], first: str = "y", second: str = "p") -> Oracle:
    return Oracle(f"scikit-learn `{name}`", lambda mine, _: compute(mine[first], mine[second]))


def _cell(name: str, y: int, given: str, *, of: str = "p", like: int = 1) -> Oracle:
    """The share of predictions (or labels) `like` among rows whose other column is y, as fairlearn and
    scikit-learn have it."""
    return Oracle(name, lambda mine, _: (mine.loc[mine[given] == y, of] == like).mean())


def _recall(positive: int, complement: bool) -> Oracle:
    def compute(mine: Frame, _: Frame) -> float:
        value = sk.recall_score(mine.y, mine.p, pos_label=positive, zero_division=np.nan)
        return 1 - value if complement else value

    return Oracle("scikit-learn `recall_score`, fairlearn, AIF360", compute)


def _precision(positive: int, complement: bool) -> Oracle:
    def compute(mine: Frame, _: Frame) -> float:
        value = sk.precision_score(mine.y, mine.p, pos_label=positive, zero_division=np.nan)
        return 1 - value if complement else value

    return Oracle("scikit-learn `precision_score`, AIF360", compute)


def _fn_fp(mine: Frame, _: Frame) -> float:
    _, fp, fn, _ = sk.confusion_matrix(mine.y, mine.p, labels=[0, 1]).ravel()
    return float(fn / fp) if fp else math.nan


DECISIONS: dict[str, Oracle] = {
    "count": Oracle("pandas `len`", lambda mine, _: len(mine)),
    "share_of_population": Oracle("pandas", lambda mine, rest: len(mine) / (len(mine) + len(rest))),
    "share_of_selected": Oracle("pandas", lambda mine, rest: mine.p.sum() / (mine.p.sum() + rest.p.sum())),
    "base_rate": Oracle("AIF360 `base_rate`, pandas `mean`", lambda mine, _: mine.y.mean()),
    "selection_rate": Oracle("fairlearn `selection_rate`, pandas `mean`", lambda mine, _: mine.p.mean()),
    "true_positive_rate": _recall(1, complement=False),
    "false_negative_rate": _recall(1, complement=True),
    "true_negative_rate": _recall(0, complement=False),
    "false_positive_rate": _recall(0, complement=True),
    "positive_predictive_value": _precision(1, complement=False),
    "false_discovery_rate": _precision(1, complement=True),
    "negative_predictive_value": _precision(0, complement=False),
    "false_omission_rate": _precision(0, complement=True),
    "accuracy": _sk("accuracy_score", sk.accuracy_score),
    "error_rate": _sk("zero_one_loss", sk.zero_one_loss),
    "balanced_accuracy": _sk("balanced_accuracy_score", sk.balanced_accuracy_score),
    "f1": _sk("f1_score", sk.f1_score),
    "matthews_corrcoef": _sk("matthews_corrcoef", sk.matthews_corrcoef),
    "fn_fp_ratio": Oracle("scikit-learn `confusion_matrix`", _fn_fp),
}


def _ece(mine: Frame, _: Frame) -> float:
    tenth = np.minimum((mine.s * 10).astype(int), 9)
    parts = mine.groupby(tenth)
    return float((parts.size() / len(mine) * (parts.s.mean() - parts.y.mean()).abs()).sum())


def _slope(mine: Frame, _: Frame) -> float:
    """Newton's steps on the likelihood of y on logit(s), to the last digit."""
    x = np.column_stack([np.ones(len(mine)), np.log(mine.s / (1 - mine.s))])
    beta = np.array([0.0, 1.0])
    for _step in range(60):
        p = 1 / (1 + np.exp(-x @ beta))
        beta = beta + np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (mine.y - p))
    return float(beta[1])


def _abroca(mine: Frame, rest: Frame) -> float:
    """The area between scikit-learn's two ROC curves, exact on the union of their corners."""
    curves = [sk.roc_curve(part.y, part.s, drop_intermediate=False)[:2] for part in (mine, rest)]
    at = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    total = 0.0
    for low, high in itertools.pairwise(at):
        # within a step both curves are straight: the right limit at `low`, the left limit at `high`
        gaps = []
        for x, side in ((low, "right"), (high, "left")):
            values = []
            for fpr, tpr in curves:
                index = np.searchsorted(fpr, x, side=side)
                before, after = max(index - 1, 0), min(index, len(fpr) - 1)
                width = fpr[after] - fpr[before]
                part = (x - fpr[before]) / width if width > 0 else 0.0
                values.append(tpr[before] + part * (tpr[after] - tpr[before]))
            gaps.append(values[0] - values[1])
        a, b = gaps
        same = a * b >= 0
        area = (abs(a) + abs(b)) / 2 if same else (a * a + b * b) / (2 * (abs(a) + abs(b)))
        total += area * (high - low)
    return total


SCORES: dict[str, Oracle] = {
    "auc": _sk("roc_auc_score", sk.roc_auc_score, second="s"),
    "calibration_in_the_large": Oracle("pandas `mean`", lambda mine, _: mine.s.mean() - mine.y.mean()),
    "expected_calibration_error": Oracle("pandas, ten equal bins", _ece),
    "brier": _sk("brier_score_loss", sk.brier_score_loss, second="s"),
    "mean_score": Oracle("pandas `mean`", lambda mine, _: mine.s.mean()),
    "calibration_slope": Oracle("numpy, Newton on the logistic likelihood", _slope),
    "log_loss": _sk("log_loss", sk.log_loss, second="s"),
    "average_precision": _sk("average_precision_score", sk.average_precision_score, second="s"),
    "balance_for_positive_class": Oracle(
        "AIF360 generalized TPR, pandas `mean`", lambda mine, _: mine.s[mine.y == 1].mean()
    ),
    "balance_for_negative_class": Oracle(
        "AIF360 generalized FPR, pandas `mean`", lambda mine, _: mine.s[mine.y == 0].mean()
    ),
    "score_ks": Oracle("scipy `ks_2samp`", lambda mine, rest: stats.ks_2samp(mine.s, rest.s).statistic),
    "score_wasserstein": Oracle(
        "scipy `wasserstein_distance`", lambda mine, rest: stats.wasserstein_distance(mine.s, rest.s)
    ),
    "abroca": Oracle("scikit-learn `roc_curve`, area in between", _abroca),
}


def _utility(mine: Frame, _: Frame) -> float:
    tn, fp, fn, tp = sk.confusion_matrix(mine.y, mine.p, labels=[0, 1]).ravel()
    worth = WORTH["tp"] * tp + WORTH["fp"] * fp + WORTH["fn"] * fn + WORTH["tn"] * tn
    return float(worth / len(mine))


def _harm(mine: Frame, _: Frame) -> float:
    rejected = mine[mine.p == 0]
    regret = np.where(rejected.y == 1, WORTH["tp"] - WORTH["fn"], WORTH["fp"] - WORTH["tn"])
    return float(regret.mean())


UTILITY = {
    "expected_utility": Oracle("scikit-learn `confusion_matrix`", _utility),
    "harm_from_rejection": Oracle("numpy `mean` over rows", _harm),
}
REGRESSION: dict[str, Oracle] = {
    "mean_residual": Oracle("pandas `mean`", lambda mine, _: (mine.y - mine.p).mean()),
    "mae": _sk("mean_absolute_error", sk.mean_absolute_error),
    "rmse": _sk("root_mean_squared_error", sk.root_mean_squared_error),
    "r2": _sk("r2_score", sk.r2_score),
    "actual_expected": Oracle(
        "pandas `sum`",
        lambda mine, _: math.nan if min(mine.y.min(), mine.p.min()) < 0 else mine.y.sum() / mine.p.sum(),
    ),
    "mean_outcome": Oracle("pandas `mean`", lambda mine, _: mine.y.mean()),
    "mean_prediction": Oracle("pandas `mean`", lambda mine, _: mine.p.mean()),
    "prediction_ks": Oracle("scipy `ks_2samp`", lambda mine, rest: stats.ks_2samp(mine.p, rest.p).statistic),
    "prediction_wasserstein": Oracle(
        "scipy `wasserstein_distance`", lambda mine, rest: stats.wasserstein_distance(mine.p, rest.p)
    ),
    "parity_at_quantiles": Oracle(
        "numpy, at the nine tenths",
        lambda mine, rest: max(
            abs((mine.p > cut).mean() - (rest.p > cut).mean())
            for cut in np.quantile(pd.concat([mine.p, rest.p]), np.arange(1, 10) / 10, method="inverted_cdf")
        ),
    ),
}


def _variation(mine: Frame, rest: Frame) -> float:
    shares = [part.p.value_counts(normalize=True) for part in (mine, rest)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


MULTICLASS = {
    "macro_f1": _sk("f1_score, average='macro'", partial(sk.f1_score, average="macro")),
    "prediction_total_variation": Oracle("pandas `value_counts`", _variation),
}
BY_HAND: dict[str, ByHand] = {
    "scoring_rate": ByHand(
        "the rule's own table (New York City) is the oracle", "tests/governance/test_ll144.py"
    ),
    **{
        name: ByHand("no library defines it soundly for groups within lists", "tests/engine/test_ranking.py")
        for name, metric in metrics().items()
        if metric.family == "ranking"
    },
    **{
        name: ByHand("measured before training, by another command", "tests/analysis/test_data_audit.py")
        for name, metric in metrics().items()
        if metric.family == "data" and name not in people.COMPUTED
    },
    **{
        name: ByHand(
            "brute force over rows; AIF360 counts the row itself", "tests/analysis/test_individuals.py"
        )
        for name, metric in metrics().items()
        if metric.family == "individuals"
    },
}
_BOTH = {"label": "y", "prediction": "p"}
TASKS: dict[str, tuple[Callable[[], rows.Frames], dict[str, Oracle], dict[str, str]]] = {
    "binary": (
        rows.decided,
        {**DECISIONS, **SCORES, **UTILITY},
        {"label": "y", "prediction": "p", "score": "s"},
    ),
    "regression": (rows.measured, REGRESSION, {"label": "y", "prediction": "p"}),
    "multiclass": (rows.classed, MULTICLASS, {"label": "y", "prediction": "p"}),
    "inequality": (rows.decided, {name: Oracle(*one) for name, one in people.INEQUALITY.items()}, {}),
    "data": (people.with_levels, {name: Oracle(*one) for name, one in people.COMPUTED.items()}, {}),
}
APART: dict[str, Callable[[Frame], list[people.Found]]] = {
    "inequality": people.unequal,
    "data": people.examined,
}
"""Families that an audit measures only where asked, or not at all."""
ORACLES: dict[str, Oracle | ByHand] = {
    name: oracle for _, oracles, _ in TASKS.values() for name, oracle in oracles.items()
} | BY_HAND


@cache
def _found(task: str, name: str) -> tuple[people.Found, ...]:
    """Every metric's values by group."""
    if task in APART:
        return tuple(APART[task](TASKS[task][0]()[name]))
    estimates = _audited(task, name).estimates
    return tuple((one.metric, str(one.group[0]), one.value) for one in estimates if one.grouping)


@cache
def _audited(task: str, name: str) -> AuditResult:
    frames, _, columns = TASKS[task]
    spec = from_dict(
        {
            "system": {"name": "oracle", **({"utility": WORTH} if task == "binary" else {})},
            "data": {"task": task, "columns": columns, "attributes": {"g": {}}},
        }
    )
    return audit(spec, frame=frames()[name], created_at=CREATED)[0]


def largest_difference(task: str, metric: str) -> tuple[float, int]:
    """Over the data sets and their groups: the largest difference, and how many values were compared.

    An AssertionError where the one is undefined and the other is not.
    """
    frames, oracles, _ = TASKS[task]
    largest, seen = 0.0, 0
    for name, frame in frames().items():
        for found, group, value in _found(task, name):
            if found != metric:
                continue
            mine = frame.g == group
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = oracles[metric].compute(frame[mine], frame[~mine])
            assert (value is None) == math.isnan(wanted), (metric, name, group, value, wanted)
            if value is not None:
                largest, seen = max(largest, float(abs(value - wanted))), seen + 1
    return largest, seen


def rounded_up(difference: float) -> float:
    """The least power of ten that is not less; 0 stays 0.

    >>> rounded_up(3e-16), rounded_up(0.0)
    (1e-15, 0.0)
    """
    return 0.0 if difference == 0 else float(f"1e{math.ceil(math.log10(difference))}")


def table() -> list[dict[str, Any]]:
    """One entry a metric, in the registry's order."""
    found = []
    for name, metric in metrics().items():
        oracle = ORACLES.get(split_class(name)[0])
        entry: dict[str, Any] = {"metric": name, "family": metric.family}
        if isinstance(oracle, Oracle):
            task = next(task for task, (_, oracles, _) in TASKS.items() if name in oracles)
            difference, seen = largest_difference(task, name)
            entry |= {"oracle": oracle.name, "difference": rounded_up(difference), "values": seen}
        elif oracle is not None:
            entry |= {"why": oracle.why, "where": oracle.where}
        found.append(entry)
    return found


def main() -> None:
    """Write docs/oracles.json."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in table())
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()

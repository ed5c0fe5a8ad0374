"""Oracles of what an audit does not measure unasked: inequality of benefits, tables before training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as sk

from audit.analysis.data_audit import examine
from audit.analysis.data_figures import Options
from audit.analysis.dataset import open_dataset
from audit.engine.run import audit
from audit.spec import from_dict, of_table
from tests.engine.make import CREATED
from tests.oracles import rows

Frame = pd.DataFrame
Found = tuple[str, str, float | None]
"""Metric, group and value."""


def with_levels() -> rows.Frames:
    """The decided rows with a column of a few levels, `v`, and every fifth score missing as `gap`."""
    made = {}
    for name, frame in rows.decided().items():
        gap = frame.s.where(np.arange(len(frame)) % 5 > 0)
        made[name] = frame.assign(v=np.minimum((frame.s * 6).astype(int), 5), gap=gap)
    return made


def examined(frame: Frame) -> list[Found]:
    """The figures of a table before training, each group against the rest."""
    spec = of_table({"columns": {"label": "y"}, "attributes": {"g": {"reference": "rest"}}, "positive": 1})
    with open_dataset(spec, frame=frame[["g", "y", "s", "v", "gap"]]) as dataset:
        report = examine(dataset, options=Options(sample=100))
    column = {"total_variation": "v", "js_divergence": "v", "kl_divergence": "v", "hellinger": "v"}
    column |= {"ks": "s", "wasserstein": "s", "cramers_v": "v", "correlation_ratio": "s"}
    column |= {"missingness_gap": "gap", "label_rate_gap": "y"}
    groups = report.attributes[0].groups
    return [
        (one.metric, group, one.value)
        for one in report.measures
        if one.metric in COMPUTED and one.column == column.get(one.metric)
        for group in ((one.group,) if one.group is not None else groups)
    ]


def unequal(frame: Frame) -> list[Found]:
    """The indices of inequality, asked for by a rule; benefits from 1 to 5, so that each index is defined."""
    spec = from_dict(
        {
            "system": {"name": "oracle", "utility": WORTH},
            "data": {"columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}},
            "policy": {"rules": [{"metric": "gini", "comparison": "difference", "at_most": 0.5}]},
        }
    )
    result = audit(spec, frame=frame, created_at=CREATED)[0]
    return [(one.metric, str(one.group[0]), one.value) for one in result.estimates if one.grouping]


WORTH = {"tp": 5.0, "fp": 4.0, "fn": 1.0, "tn": 2.0}


def _benefits(frame: Frame) -> Any:
    tn, fp, fn, tp = sk.confusion_matrix(frame.y, frame.p, labels=[0, 1]).ravel()
    return np.repeat([WORTH["tn"], WORTH["fp"], WORTH["fn"], WORTH["tp"]], [tn, fp, fn, tp])


def _entropy(alpha: int) -> Any:
    """The generalized entropy index of this α, over people."""

    def compute(mine: Frame, _: Frame) -> float:
        b = _benefits(mine) / _benefits(mine).mean()
        if alpha == 0:
            return float(-np.log(b).mean())
        return float((b * np.log(b)).mean()) if alpha == 1 else float(((b**2).mean() - 1) / 2)

    return compute


def _atkinson(mine: Frame, _: Frame) -> float:
    b = _benefits(mine)
    return float(1 - np.sqrt(b).mean() ** 2 / b.mean())


def _gini(mine: Frame, _: Frame) -> float:
    b = np.sort(_benefits(mine))
    n = len(b)
    return float((2 * np.arange(1, n + 1) - n - 1) @ b / (n * n * b.mean()))


def _between(mine: Frame, rest: Frame) -> float:
    parts = [_benefits(mine), _benefits(rest)]
    whole = np.concatenate(parts)
    smooth = np.concatenate([np.full(len(part), part.mean()) for part in parts])
    return float(stats.variation(smooth) ** 2 / stats.variation(whole) ** 2)


INEQUALITY = {
    "generalized_entropy": ("numpy over people; AIF360 for α = 2", _entropy(2)),
    "theil_t": ("numpy over people; AIF360 for α = 1", _entropy(1)),
    "theil_l": ("numpy over people; AIF360 divides by the mean twice", _entropy(0)),
    "atkinson": ("numpy over people", _atkinson),
    "coefficient_of_variation": (
        "scipy `variation`",
        lambda mine, _: float(stats.variation(_benefits(mine))),
    ),
    "gini": ("numpy, by the ranks of people", _gini),
    "between_group_share": ("scipy `variation` of means and people", _between),
}


def _levels(mine: Frame, rest: Frame) -> Any:
    at = sorted({*mine.v, *rest.v})
    return [part.v.value_counts().reindex(at, fill_value=0).to_numpy() / len(part) for part in (mine, rest)]


def _relative(mine: Frame, rest: Frame) -> float:
    value = float(stats.entropy(*_levels(mine, rest)))
    return value if math.isfinite(value) else math.nan


def _bergsma(mine: Frame, rest: Frame) -> float:
    both = pd.concat([mine, rest])
    counts = pd.crosstab(both.v, both.g).to_numpy()
    rare = counts.sum(axis=1) < 10
    kept = [counts[~rare], counts[rare].sum(axis=0, keepdims=True)] if rare.any() else [counts]
    counts = np.vstack(kept)
    n, (r, k) = counts.sum(), counts.shape
    phi2 = stats.chi2_contingency(counts, correction=False).statistic / n
    phi2 = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    return float(math.sqrt(phi2 / min(r - (r - 1) ** 2 / (n - 1) - 1, k - (k - 1) ** 2 / (n - 1) - 1)))


def _eta(mine: Frame, rest: Frame) -> float:
    both = pd.concat([mine, rest])
    f = stats.f_oneway(*(part.s for _, part in both.groupby("g"))).statistic
    k, n = both.g.nunique(), len(both)
    return float(math.sqrt(f * (k - 1) / (f * (k - 1) + n - k)))


def _l1(mine: Frame, rest: Frame) -> float:
    p, q = _levels(mine, rest)
    return float(np.abs(p - q).sum() / 2)


def _bhattacharyya(mine: Frame, rest: Frame) -> float:
    p, q = _levels(mine, rest)
    return float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / math.sqrt(2))


COMPUTED = {
    "class_imbalance": (
        "pandas `len`",
        lambda mine, rest: (len(rest) - len(mine)) / (len(rest) + len(mine)),
    ),
    "label_rate_gap": ("pandas `mean`", lambda mine, rest: mine.y.mean() - rest.y.mean()),
    "total_variation": ("numpy over shares", _l1),
    "js_divergence": ("scipy `jensenshannon`, squared", lambda m, r: jensenshannon(*_levels(m, r)) ** 2),
    "kl_divergence": ("scipy `entropy`", _relative),
    "hellinger": ("numpy `norm` of roots", _bhattacharyya),
    "ks": ("scipy `ks_2samp`", lambda mine, rest: stats.ks_2samp(mine.s, rest.s).statistic),
    "wasserstein": (
        "scipy `wasserstein_distance`",
        lambda mine, rest: stats.wasserstein_distance(mine.s, rest.s),
    ),
    "missingness_gap": ("pandas `isna`", lambda mine, rest: mine.gap.isna().mean() - rest.gap.isna().mean()),
    "cramers_v": ("scipy `chi2_contingency`, corrected", _bergsma),
    "correlation_ratio": ("scipy `f_oneway`", _eta),
}

"""Formulas of the decision family on label × prediction counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.engine.groups import MISSING, Floats, Groups
from audit.engine.metrics.sample import Sample, reasons, undefined_where
from audit.engine.sampling import effective
from audit.registry import Mask, Metric

SELECTIVE = "labels only where selected"


def mask_array(mask: Mask) -> Floats:
    """A mask of (label, prediction) pairs as a 3 × 3 array of 0 and 1."""
    array = np.zeros((3, 3))
    for label, prediction in mask:
        array[MISSING if label is None else label, MISSING if prediction is None else prediction] = 1.0
    return array


def measure(metric: Metric, groups: Groups) -> Sample:
    """The metric in each group.

    A rate that conditions on the label is undefined where labels were taken only of those
    predicted positive: it would be 1 in every group.
    """
    if metric.numerator is not None and metric.denominator is not None:
        sample = _rate(metric, groups, mask_array(metric.numerator), mask_array(metric.denominator))
    elif metric.name in _COUNTED:
        sample = _counted(metric, groups)
    else:
        sample = _smooth(groups, *_FORMULAS[metric.name])
    return _without_selective(metric, groups, sample)


def _sum(table: Floats, mask: Floats) -> Floats:
    return np.einsum("gyp,yp->g", table, mask)


def _rate(metric: Metric, groups: Groups, num: Floats, den: Floats) -> Sample:
    k, n = _sum(groups.n, num), _sum(groups.n, den)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = k / np.where(n > 0, n, np.nan)
    why = reasons(n == 0, f"no {metric.denominator_words}")
    size, thin, shown, mass = n, None, k, n
    if groups.w is not None and groups.w2 is not None:
        comp = den * (1 - num)
        kw, nw = _sum(groups.w, num), _sum(groups.w, den)
        value, size, thin = effective(kw, nw, _sum(groups.w2, num), _sum(groups.w2, comp), n, k)
        why = reasons(~(nw > 0), f"no weight on {metric.denominator_words}")
        shown, mass = kw, nw
    bucket_k = bucket_n = None
    if groups.buckets is not None:
        bucket_k = np.einsum("gypb,yp->gb", groups.buckets, num)
        bucket_n = np.einsum("gypb,yp->gb", groups.buckets, den)
        scale = (size / np.where(bucket_n.sum(axis=1) > 0, bucket_n.sum(axis=1), 1.0))[:, None]
        bucket_k, bucket_n = bucket_k * scale, bucket_n * scale
    return Sample(
        "rate",
        value,
        n,
        why,
        k=shown,
        x=np.nan_to_num(value) * size,
        size=size,
        mass=mass,
        thin=thin,
        bucket_k=bucket_k,
        bucket_n=bucket_n,
    )


def _counted(metric: Metric, groups: Groups) -> Sample:
    rows = groups.rows
    weights = groups.n if groups.w is None else groups.w
    if metric.name == "count":
        return Sample("count", rows, rows, reasons(rows < 0, ""), rows)
    part = weights[:, :, 1].sum(axis=1) if metric.name == "share_of_selected" else weights.sum(axis=(1, 2))
    whole = np.full(len(groups), part.sum())
    with np.errstate(invalid="ignore"):
        value = part / np.where(whole > 0, whole, np.nan)
    n = groups.n[:, :, 1].sum() if metric.name == "share_of_selected" else rows.sum()
    why = reasons(np.isnan(value), "no one selected")
    size = np.full(len(groups), n)
    return Sample("share", value, size, why, k=part, x=np.nan_to_num(value) * n, size=size)


_COUNTED = ("count", "share_of_population", "share_of_selected")
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _smooth(groups: Groups, formula: Callable[[Floats], Floats], kind: str, reason: str) -> Sample:
    """A smooth function of the four shares, linearised: the gradient is the complex step's."""
    weights = groups.n if groups.w is None else groups.w
    squares = groups.n if groups.w2 is None else groups.w2
    four = np.stack([weights[:, y, p] for y, p in _CORNERS], axis=-1)
    squared = np.stack([squares[:, y, p] for y, p in _CORNERS], axis=-1)
    rows = np.stack([groups.n[:, y, p] for y, p in _CORNERS], axis=-1)
    total = four.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = four / np.where(total > 0, total, np.nan)[:, None]
        value = formula(shares)
        smoothed = (four + 0.5) / (total + 2)[:, None]
        gradient = _gradient(np.log if kind == "odds" else None, formula, smoothed)
        influence = gradient - (smoothed * gradient).sum(axis=-1, keepdims=True)
        se = np.sqrt((squared * influence**2).sum(axis=-1)) / np.where(total > 0, total, np.nan)
    n = _denominators(formula, rows)
    sample = Sample(kind, value, n, reasons(np.isnan(value), reason), se=se)
    if groups.buckets is None:
        return sample
    parts = np.stack([groups.buckets[:, y, p] for y, p in _CORNERS], axis=-1)
    left = parts.sum(axis=1, keepdims=True) - parts
    with np.errstate(invalid="ignore", divide="ignore"):
        leave = formula(left / left.sum(axis=-1, keepdims=True))
    return Sample(
        kind, value, n, sample.why, se=se, leave_out=leave, occupied=parts.sum(axis=-1) > 0
    )


def _gradient(outer: Callable[[Floats], Floats] | None, formula: Callable[[Floats], Floats], at: Floats) -> Floats:
    step = 1e-30
    columns = []
    for corner in range(4):
        moved = at.astype(np.complex128)
        moved[:, corner] += 1j * step
        result = formula(moved)  # type: ignore[arg-type]
        columns.append((np.log(result) if outer else result).imag / step)
    return np.stack(columns, axis=-1)


def _balanced_accuracy(shares: Floats) -> Floats:
    tn, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


def _f1(shares: Floats) -> Floats:
    _, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return 2 * tp / (2 * tp + fp + fn)


def _matthews(shares: Floats) -> Floats:
    tn, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def _fn_fp(shares: Floats) -> Floats:
    _, fp, fn, _ = (shares[..., corner] for corner in range(4))
    ratio = fn / fp
    return ratio if np.iscomplexobj(ratio) else np.where(np.isfinite(ratio), ratio, np.nan)


_FORMULAS: dict[str, tuple[Callable[[Floats], Floats], str, str]] = {
    "balanced_accuracy": (_balanced_accuracy, "mean", "one of the two labels does not occur"),
    "f1": (_f1, "mean", "no positive label and no positive prediction"),
    "matthews_corrcoef": (_matthews, "mean", "a label or a prediction does not vary"),
    "fn_fp_ratio": (_fn_fp, "odds", "no false positive"),
}


def _denominators(formula: Callable[[Floats], Floats], rows: Floats) -> Floats:
    """Rows on which the metric lives: the scarcer of its two parts where it has two."""
    tn, fp, fn, tp = (rows[..., corner] for corner in range(4))
    if formula is _f1:
        return tp + fp + fn
    if formula is _fn_fp:
        return fp + fn
    return np.minimum(tp + fn, tn + fp)


def conditions_on_prediction(metric: Metric) -> int | None:
    """1 or 0 where the metric lives on one prediction alone (PPV, NPV), else None."""
    predictions = {p for _, p in metric.denominator or ()}
    only = next(iter(predictions)) if len(predictions) == 1 else None
    return only


def _without_selective(metric: Metric, groups: Groups, sample: Sample) -> Sample:
    """Undefined where a group has rows predicted negative and none of them has a label."""
    if "label" not in metric.needs or "prediction" not in metric.needs:
        return sample
    if conditions_on_prediction(metric) == 1:
        return sample
    unlabelled = (groups.n[:, MISSING, 0] > 0) & (groups.n[:, :2, 0].sum(axis=1) == 0)
    return undefined_where(sample, unlabelled, SELECTIVE)


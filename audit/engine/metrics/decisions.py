"""Formulas of the decision family on label × prediction counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.engine.groups import MISSING, Floats, Groups
from audit.engine.metrics.sample import Described, Mean, Rate, S, Sample, ShareOdds, no_buckets, reasons
from audit.engine.sampling import effective, scarcity
from audit.registry import Mask, Metric, split_class

Formula = Callable[[Any], Any]
"""A metric as a function of the shares TN, FP, FN, TP on the last axis; complex shares too."""
SELECTIVE = "labels only where selected"
TURNED_DOWN = "labels only where not selected"


def mask_array(mask: Mask) -> Floats:
    """A mask of (label, prediction) pairs as a 3 × 3 array of 0 and 1."""
    array = np.zeros((3, 3))
    for label, prediction in mask:
        array[MISSING if label is None else label, MISSING if prediction is None else prediction] = 1.0
    return array


def rate(metric: Metric, groups: Groups) -> Rate:
    """A proportion in each group, undefined as `measure` says."""
    assert metric.numerator is not None
    assert metric.denominator is not None
    sample = _rate(metric, groups, mask_array(metric.numerator), mask_array(metric.denominator))
    return _where_labelled(metric, sample, groups)


def measure(metric: Metric, groups: Groups) -> Sample:
    """The metric in each group.

    A rate that conditions on the label is undefined where labels were taken only of those
    predicted positive, or only of the others: it would be 1, or 0, in every group.
    """
    if metric.numerator is not None:
        return rate(metric, groups)
    name = split_class(metric.name)[0]
    if name in _COUNTED:
        return _counted(name, groups)
    sample = smooth(groups, *_FORMULAS[name])
    return _where_labelled(metric, sample, groups)


def _sum(table: Floats, mask: Floats) -> Floats:
    total: Floats = np.einsum("gyp,yp->g", table, mask)
    return total


def _rate(metric: Metric, groups: Groups, num: Floats, den: Floats) -> Rate:
    k, n = _sum(groups.n, num), _sum(groups.n, den)
    size, mass, thin, weighted = n, n, np.zeros(len(groups), dtype=bool), False
    with np.errstate(invalid="ignore", divide="ignore"):
        value = k / np.where(n > 0, n, np.nan)
    why = reasons(n == 0, f"no {metric.denominator_words}")
    if groups.w is not None and groups.w2 is not None:
        comp = den * (1 - num)
        rows = k
        k, mass, weighted = _sum(groups.w, num), _sum(groups.w, den), True
        value, size, thin = effective(k, mass, _sum(groups.w2, num), _sum(groups.w2, comp), n, rows)
        why = reasons(~(mass > 0), f"no weight on {metric.denominator_words}")
    bucket_k = bucket_n = no_buckets(len(groups))
    if groups.buckets is not None:
        bucket_k = np.einsum("gypb,yp->gb", groups.buckets, num)
        bucket_n = np.einsum("gypb,yp->gb", groups.buckets, den)
        total = bucket_n.sum(axis=1)
        scale = (size / np.where(total > 0, total, 1.0))[:, None]
        bucket_k, bucket_n = bucket_k * scale, bucket_n * scale
    x = np.nan_to_num(value) * size
    return Rate(value, n, why, k, x, size, mass, thin, weighted, bucket_k, bucket_n)


def _counted(name: str, groups: Groups) -> Described:
    rows = groups.rows
    if name == "count":
        return Described(rows, rows, (None,) * len(groups))
    weights = groups.n if groups.w is None else groups.w
    selected = name == "share_of_selected"
    part = weights[:, :, 1].sum(axis=1) if selected else weights.sum(axis=(1, 2))
    whole = part.sum()
    value = part / whole if whole > 0 else np.full(len(groups), np.nan)
    n = np.full(len(groups), groups.n[:, :, 1].sum() if selected else rows.sum())
    return Described(value, n, reasons(np.isnan(value), "no one selected"), np.nan_to_num(value) * n)


_COUNTED = ("count", "share_of_population", "share_of_selected")
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def smooth(groups: Groups, formula: Formula, made: type[Mean], reason: str) -> Mean:
    """A smooth function of the four shares, linearised: the gradient is the complex step's.

    The variance of a kind of row that is rare, or was not drawn at all, is taken as far as its exact limit.
    """
    weights = groups.n if groups.w is None else groups.w
    squares = groups.n if groups.w2 is None else groups.w2
    four, squared, rows = (
        np.stack([table[:, y, p] for y, p in _CORNERS], axis=-1) for table in (weights, squares, groups.n)
    )
    total, drawn = four.sum(axis=-1), rows.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = formula(four / np.where(total > 0, total, np.nan)[:, None])
        unit = total[:, None] / np.where(drawn > 0, drawn, np.nan)
        smoothed = (four + 0.5 * unit) / (total[:, None] + 2 * unit)
        gradient = _gradient(formula, smoothed, log=made is ShareOdds)
        influence = gradient - (smoothed * gradient).sum(axis=-1, keepdims=True)
        heaviness = np.where(rows > 0, squared / rows, squared.sum(axis=-1, keepdims=True) / drawn)
        unseen = heaviness * scarcity(rows, drawn)
        se = np.sqrt(((squared + unseen) * influence**2).sum(axis=-1)) / np.where(total > 0, total, np.nan)
    leave, occupied = no_buckets(len(groups)), np.zeros((len(groups), 0), dtype=bool)
    if groups.buckets is not None:
        parts = np.stack([groups.buckets[:, y, p] for y, p in _CORNERS], axis=-1)
        left = parts.sum(axis=1, keepdims=True) - parts
        with np.errstate(invalid="ignore", divide="ignore"):
            leave = formula(left / left.sum(axis=-1, keepdims=True))
        occupied = parts.sum(axis=-1) > 0
    n = _denominators(formula, rows)
    given = (value, n, reasons(np.isnan(value), reason), se, leave, occupied)
    if made is not ShareOdds:
        return made(*given)
    missed, wrong = four[:, 2], four[:, 1] + four[:, 2]
    share, size, _ = effective(missed, wrong, squared[:, 2], squared[:, 1], rows[:, 1] + rows[:, 2])
    return ShareOdds(*given, x=np.nan_to_num(share) * size, size=size)


def _gradient(formula: Formula, at: Floats, *, log: bool) -> Floats:
    step = 1e-30
    columns = []
    for corner in range(4):
        moved = at.astype(np.complex128)
        moved[:, corner] += 1j * step
        result = formula(moved)
        columns.append((np.log(result) if log else result).imag / step)
    return np.stack(columns, axis=-1)


def _balanced_accuracy(shares: Any) -> Any:
    tn, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


def _f1(shares: Any) -> Any:
    _, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return 2 * tp / (2 * tp + fp + fn)


def _matthews(shares: Any) -> Any:
    tn, fp, fn, tp = (shares[..., corner] for corner in range(4))
    return (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def _fn_fp(shares: Any) -> Any:
    _, fp, fn, _ = (shares[..., corner] for corner in range(4))
    ratio = fn / fp
    return ratio if np.iscomplexobj(ratio) else np.where(np.isfinite(ratio), ratio, np.nan)


_FORMULAS: dict[str, tuple[Formula, type[Mean], str]] = {
    "balanced_accuracy": (_balanced_accuracy, Mean, "one of the two labels does not occur"),
    "f1": (_f1, Mean, "no positive label and no positive prediction"),
    "matthews_corrcoef": (_matthews, Mean, "a label or a prediction does not vary"),
    "fn_fp_ratio": (_fn_fp, ShareOdds, "no false positive"),
}


def _denominators(formula: Formula, rows: Floats) -> Floats:
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


def _where_labelled(metric: Metric, sample: S, groups: Groups) -> S:
    if not {"label", "prediction"} <= set(metric.needs):
        return sample
    only = conditions_on_prediction(metric)
    return labelled_on_both(sample, groups, (0, 1) if only is None else (only,))


def labelled_on_both(sample: S, groups: Groups, predictions: tuple[int, ...] = (0, 1)) -> S:
    """Undefined where rows of one of the predictions are there and none of them has a label."""
    for prediction, reason in ((0, SELECTIVE), (1, TURNED_DOWN)):
        if prediction in predictions:
            sample = sample.undefined_where(_without_labels(groups, prediction), reason)
    return sample


def _without_labels(groups: Groups, prediction: int) -> npt.NDArray[np.bool_]:
    """By rows or, where there are weights, by them: rows of weight 0 are no labels to go by."""
    tables = [groups.n] if groups.w is None else [groups.n, groups.w]
    unlabelled: npt.NDArray[np.bool_] = np.zeros(len(groups), dtype=bool)
    for table in tables:
        known = table[:, :MISSING, prediction].sum(axis=1)
        unlabelled |= (table[:, MISSING, prediction] > 0) & (known == 0)
    return unlabelled

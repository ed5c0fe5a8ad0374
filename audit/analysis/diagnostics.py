"""Why a group's error is high: bias, variance, mismatch of the data, or noise in the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.engine.intervals import clopper_pearson, wilson
from audit.engine.two_rates import TwoRates
from audit.errors import DataError, UsageError

EVERYONE = "everyone"
MARGIN = 0.02
"""A part of the error up to this is not called high."""
SPLITS = ("train", "validation", "test")
MEANING = {
    "bias": "The model misses the target even on the rows it was trained on.",
    "variance": "The model is worse on new rows of the same kind than on those it was trained on.",
    "mismatch": "The model is worse on the test rows than on validation rows: the two are not alike.",
}
ADVICE = {
    "bias": "A larger model, better features for this group, longer training. More rows will not help.",
    "variance": "More rows of this group, stronger regularisation, or a smaller model.",
    "mismatch": "Collect or augment training rows that are like this group's test rows.",
}


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The error of one group on one split; `why` is set exactly where value is None."""

    split: str
    errors: int
    rows: int
    value: float | None
    low: float | None
    high: float | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a group's error: bias, variance or mismatch."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    """`high`: surely above the margin; `not high`: surely not above it; `cannot say`."""
    why: str | None
    """Set exactly where value is None."""


@dataclass(frozen=True, slots=True)
class GroupDiagnosis:
    """What the splits say of one group."""

    group: str
    target: float
    errors: tuple[ErrorRate, ...]
    parts: tuple[Part, ...]
    named: tuple[str, ...]
    """The parts that are high, the largest first."""
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everyone first, then each group."""

    schema_version: str
    confidence: float
    margin: float
    groups: tuple[GroupDiagnosis, ...]

    def of(self, group: str) -> GroupDiagnosis:
        """One group's diagnosis; KeyError where there is none."""
        return next(one for one in self.groups if one.group == group)


Counts = Mapping[str, tuple[int, int]]
"""For each split the errors and the rows."""


def count_errors(
    wrong: npt.ArrayLike, split: npt.ArrayLike, group: npt.ArrayLike | None
) -> dict[str, dict[str, tuple[int, int]]]:
    """Errors and rows by group and split, `everyone` included.

    `wrong` (n,) true where the prediction is wrong; `split` (n,) train, validation or test; `group`
    (n,) the group's text.
    Errors: DataError for lengths that differ or a split of another name.
    """
    bad, part = np.asarray(wrong, dtype=bool), np.asarray(split).astype(str)
    names = np.full(len(bad), EVERYONE) if group is None else np.asarray(group).astype(str)
    if not len(bad) == len(part) == len(names):
        raise DataError(f"{len(bad)} errors, {len(part)} splits and {len(names)} groups: one each is needed")
    unknown = sorted(set(part.tolist()) - set(SPLITS))
    if unknown:
        raise DataError(
            f"a split is called {unknown[0]!r}",
            where="split",
            hint=f"Write {', '.join(SPLITS)}; dev is validation.",
        )
    result: dict[str, dict[str, tuple[int, int]]] = {}
    for name in [EVERYONE, *sorted(set(names.tolist()) - {EVERYONE})]:
        inside = np.ones(len(bad), dtype=bool) if name == EVERYONE else names == name
        result[name] = {
            where: (int((bad & inside & (part == where)).sum()), int((inside & (part == where)).sum()))
            for where in SPLITS
        }
    return result


def diagnose(
    counts: Mapping[str, Counts],
    target: float | Mapping[str, float],
    *,
    margin: float = MARGIN,
    confidence: float = 0.95,
) -> Diagnosis:
    """Bias (train less target), variance (validation less train), mismatch (test less validation).

    `target` is the error that can be reached: a human's, or one that was agreed; one for all, or one
    for each group with `everyone` for the rest. A group whose labels are noisier needs a target of
    its own, or its noise is named bias: `split_disparity` estimates how much there is.
    A part is called high only where its interval lies above the margin.
    Errors: UsageError for a target outside [0, 1) or missing, a margin or confidence out of range.

    >>> found = diagnose({"a": {"train": (20, 1000), "validation": (150, 1000)}}, 0.01)
    >>> found.of("a").named
    ('variance',)
    """
    if not 0 <= margin < 1:
        raise UsageError(f"the margin {margin:g} is outside [0, 1)", where="margin")
    if not 0.5 < confidence < 1:
        raise UsageError(f"the confidence {confidence:g} is outside (0.5, 1)", where="confidence")
    targets = {EVERYONE: target} if isinstance(target, (int, float)) else dict(target)
    unknown = sorted(set(targets) - set(counts) - {EVERYONE})
    if unknown:
        raise UsageError(
            f"no group is called {unknown[0]!r}", where="target", hint=f"Groups: {', '.join(counts)}."
        )
    groups = []
    for group, splits in counts.items():
        level = targets.get(group, targets.get(EVERYONE))
        if level is None or not 0 <= level < 1:
            raise UsageError(
                f"no target error in [0, 1) for {group!r}", where="target", hint="0.05 is one row in twenty."
            )
        groups.append(_diagnose_group(group, splits, float(level), margin, 1 - confidence))
    return Diagnosis("1.0", confidence, margin, tuple(groups))


def _diagnose_group(group: str, splits: Counts, target: float, margin: float, alpha: float) -> GroupDiagnosis:
    errors = tuple(_error_rate(name, *splits.get(name, (0, 0)), alpha) for name in SPLITS)
    train, validation, test = errors
    parts = (
        _bias(train, target, margin, alpha),
        _step("variance", validation, train, margin, alpha),
        _step("mismatch", test, validation, margin, alpha),
    )
    high = sorted((part for part in parts if part.verdict == "high"), key=lambda part: -(part.value or 0.0))
    return GroupDiagnosis(
        group,
        target,
        errors,
        parts,
        tuple(part.name for part in high),
        tuple(f"{MEANING[part.name]} {ADVICE[part.name]}" for part in high),
    )


def _error_rate(split: str, errors: int, rows: int, alpha: float) -> ErrorRate:
    if rows == 0:
        return ErrorRate(split, 0, 0, None, None, None, f"no row of the {split} split")
    low, high = wilson(errors, rows, alpha)
    return ErrorRate(split, errors, rows, errors / rows, float(low), float(high), None)


def _bias(train: ErrorRate, target: float, margin: float, alpha: float) -> Part:
    if train.value is None:
        return Part("bias", None, None, None, "cannot say", train.why)
    low, high = clopper_pearson(train.errors, train.rows, alpha)
    return _part("bias", train.value - target, float(low) - target, float(high) - target, margin)


def _step(name: str, later: ErrorRate, earlier: ErrorRate, margin: float, alpha: float) -> Part:
    if later.value is None or earlier.value is None:
        return Part(name, None, None, None, "cannot say", later.why or earlier.why)
    rates = TwoRates(later.errors, later.rows, earlier.errors, earlier.rows, "difference")
    low, high = (float(limit) for limit in rates.interval(alpha))
    return _part(name, later.value - earlier.value, low, high, margin)


def _part(name: str, value: float, low: float, high: float, margin: float) -> Part:
    verdict = "high" if low > margin else "not high" if high <= margin else "cannot say"
    return Part(name, value, low, high, verdict, None)


def group_names(group: Any) -> tuple[str, ...]:
    """The groups of an array in order, without `everyone`."""
    return tuple(sorted(set(np.asarray(group).astype(str).tolist())))

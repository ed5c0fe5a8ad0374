"""A metric measured in groups: its values, and what is needed to compare them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from audit.engine import sampling
from audit.engine.groups import Floats, Index

Flags = npt.NDArray[np.bool_]
Arguments = tuple[str, tuple[Floats, ...]]
"""The kind of evidence, and the arrays that it is made of."""
S = TypeVar("S", bound="Sample")
_TINY = 1e-300
_FAR = 4.0
"""Standard errors from 0 from which the logarithm of a value is near normal."""
_MANY = 1e12
"""Degrees of freedom that make Student's t the normal."""
LEAST_ROWS = 30
"""Rows of the denominator below which a linearised standard error is not relied on, either way."""


@dataclass(frozen=True)
class Sample:
    """One metric in each of G groups; arrays have shape (G,), those by cluster bucket (G, B).

    `value` is NaN where the metric is undefined, and `why` says so there. `n` is the rows of the
    denominator, `k` those of the numerator (weighted: the sum of weights).
    """

    value: Floats
    n: Floats
    why: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.value)

    def take(self: S, index: Index) -> S:
        """The groups at these places, repeats allowed."""
        return replace(self, **{part.name: _taken(getattr(self, part.name), index) for part in fields(self)})

    def undefined_where(self: S, flags: Flags, reason: str) -> S:
        """The value taken away where flagged; nothing is left there to test."""
        if not flags.any():
            return self
        why = tuple(reason if flag else why for flag, why in zip(flags, self.why, strict=True))
        return replace(self, value=np.where(flags, np.nan, self.value), why=why, **self._gone(flags))

    def _gone(self, flags: Flags) -> dict[str, Any]:
        return {}

    @property
    def effective(self) -> Floats:
        """Rows that the floors count: effective ones where there are weights."""
        return self.n

    @property
    def too_thin(self) -> Flags:
        """Weighted rates with under ten rows in numerator or complement."""
        return np.zeros(len(self), dtype=bool)

    @property
    def too_heavy(self) -> Flags:
        """Values of which so few carry the variance that nothing is judged by it."""
        return np.zeros(len(self), dtype=bool)

    @property
    def shares(self) -> tuple[Floats, Floats] | None:
        """Numerator and denominator of a proportion, in effective rows; None for other metrics."""
        return None

    @property
    def numerator(self) -> Floats | None:
        """Rows, or sum of weights, in the numerator; None where there is none."""
        return None

    def compared(self, reference: Any, share: Floats, comparison: str) -> Floats:
        """The compared value; NaN where undefined. `share` is the group's part of the reference."""
        value = difference_or_ratio(self.value, reference.value, share, comparison)
        refused = [why is not None for why in self.why_not(reference, comparison)]
        return np.where(refused, np.nan, value)

    def why_not(self, reference: Any, comparison: str) -> tuple[str | None, ...]:
        """Why groups whose values are both defined are not compared so; None where they are."""
        return (None,) * len(self)

    def alone(self) -> Arguments | None:
        """The evidence on each group's own value; None where the metric is only described."""
        return None

    def versus(self, reference: Any, share: Floats, comparison: str) -> Arguments | None:
        """The evidence on the comparison with `reference`, entry by entry; `share` > 0 means overall."""
        return None


def _taken(value: Any, index: Index) -> Any:
    if isinstance(value, np.ndarray):
        return value[index]
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return tuple(part[index] for part in value)
    return tuple(value[i] for i in index) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Described(Sample):
    """A metric that is printed and never judged; a share of `size` rows where x is given."""

    x: Floats | None = None

    @property
    def shares(self) -> tuple[Floats, Floats] | None:
        return None if self.x is None else (self.x, self.n)

    @property
    def numerator(self) -> Floats | None:
        return self.x


@dataclass(frozen=True)
class Rate(Sample):
    """A proportion, x of size effective rows; `k` and `mass` are weighted sums, rows without weights.

    `bucket_k` and `bucket_n` hold numerator and denominator by cluster bucket, scaled to `size`;
    without clusters they have no columns.
    """

    k: Floats
    x: Floats
    size: Floats
    mass: Floats
    thin: Flags
    weighted: bool
    bucket_k: Floats
    bucket_n: Floats

    @property
    def effective(self) -> Floats:
        return np.minimum(self.n, self.size)

    @property
    def too_thin(self) -> Flags:
        return self.thin

    @property
    def shares(self) -> tuple[Floats, Floats]:
        return self.x, self.size

    @property
    def numerator(self) -> Floats:
        return self.k

    def _gone(self, flags: Flags) -> dict[str, Any]:
        return {
            "x": np.where(flags, 0.0, self.x),
            "size": np.where(flags, 0.0, self.size),
            "bucket_n": np.where(flags[:, None], 0.0, self.bucket_n),
        }

    def complement(self) -> Rate:
        """The rate of the other outcome."""
        return replace(
            self,
            value=1 - self.value,
            k=self.mass - self.k,
            x=self.size - self.x,
            bucket_k=self.bucket_n - self.bucket_k,
        )

    def clusters(self) -> tuple[Floats, Floats]:
        """Design effect and degrees of freedom of each group's own rate."""
        if not self.bucket_k.shape[1]:
            return np.ones(len(self)), np.full(len(self), np.inf)
        deff, df, _ = sampling.clustered_rate(self.bucket_k, self.bucket_n)
        return np.nan_to_num(deff, nan=1.0), df

    def alone(self) -> Arguments:
        return "rate", (self.x, self.size, *self.clusters())

    def versus(self, reference: Rate, share: Floats, comparison: str) -> Arguments:
        deff, df = np.ones(len(self)), np.full(len(self), np.inf)
        if self.bucket_k.shape[1]:
            buckets = (self.bucket_k, self.bucket_n, reference.bucket_k, reference.bucket_n)
            deff, df, _ = sampling.clustered_rates(*buckets, kind=comparison)
            deff = np.nan_to_num(deff, nan=1.0)
        return f"rates:{comparison}", (self.x, self.size, reference.x, reference.size, deff, df, share)


@dataclass(frozen=True)
class Mean(Sample):
    """A value with a standard error; `leave_out` the value without each cluster bucket, if clustered.

    `mass` is what the value is a mean over, so that everyone's value is the mixture of a group's and
    the rest's by it; None where it is no such mean.
    """

    se: Floats
    leave_out: Floats
    occupied: Flags
    mass: Floats | None = field(default=None, kw_only=True)

    def _gone(self, flags: Flags) -> dict[str, Any]:
        return {"se": np.where(flags, np.nan, self.se)}

    def alone(self) -> Arguments:
        se = np.where(self._enough(), self.se, np.nan)
        return "mean", (self.value, *self._jackknifed(self.value, se, self.leave_out, self.occupied))

    def versus(self, reference: Mean, share: Floats, comparison: str) -> Arguments:
        occupied = self.occupied | reference.occupied
        enough = np.where(self._enough(reference), 1.0, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            if comparison == "ratio" and not self.leave_out.shape[1]:
                return self._fieller(reference, enough, share)
            if comparison == "ratio":
                return self._log_ratio(reference, enough, share, occupied)
            value = (1 - share) * (self.value - reference.value)
            se = enough * (1 - share) * np.hypot(self.absolute_se, reference.absolute_se)
            leave = (1 - share)[:, None] * (self.leave_out - reference.leave_out)
        return "mean", (value, *self._jackknifed(value, se, leave, occupied))

    def _fieller(self, reference: Mean, enough: Floats, share: Floats) -> Arguments:
        """The ratio tested as m1 − t·m2, which holds where the first is near 0 (Fieller 1954)."""
        none, many = np.zeros(len(self)), np.full(len(self), _MANY)
        mine = (self.value * enough, self.se**2, none, many)
        return "skewed:ratio", (*mine, reference.value, reference.se**2, none, many, none + 1, share)

    def _log_ratio(self, reference: Mean, enough: Floats, share: Floats, occupied: Flags) -> Arguments:
        """The ratio on the log scale, jackknifed; untestable where either is within four errors of 0."""
        value = self.value / np.where(reference.value > 0, reference.value, np.nan)
        relative = (self.relative_se, reference.relative_se)
        sound = np.where(np.maximum(*relative) < 1 / _FAR, enough, np.nan)
        leave, full = np.log(self.leave_out / reference.leave_out), np.log(value)
        return "log", (value, *self._jackknifed(full, sound * np.hypot(*relative), leave, occupied), share)

    @property
    def absolute_se(self) -> Floats:
        """The standard error of the value."""
        return self.se

    @property
    def relative_se(self) -> Floats:
        """The standard error of the value's logarithm."""
        with np.errstate(invalid="ignore", divide="ignore"):
            relative: Floats = self.se / np.where(self.value > 0, self.value, np.nan)
        return relative

    def _enough(self, reference: Mean | None = None) -> Flags:
        """Where there are rows enough for a standard error to mean what the normal says."""
        rows = self.n if reference is None else np.minimum(self.n, reference.n)
        return rows >= LEAST_ROWS

    @staticmethod
    def _jackknifed(full: Floats, se: Floats, leave: Floats, occupied: Flags) -> tuple[Floats, Floats]:
        """The larger of linearised and jackknifed error, and its degrees of freedom."""
        if not leave.shape[1]:
            return se, np.full(len(full), np.inf)
        with np.errstate(invalid="ignore"):
            jack = np.sqrt(sampling.jackknife(full, leave, occupied))
        return np.maximum(se, jack), np.maximum(occupied.sum(axis=1) - 1.0, 1.0)


@dataclass(frozen=True)
class Odds(Mean):
    """A positive ratio; `se` is that of its logarithm."""

    def alone(self) -> Arguments:
        with np.errstate(invalid="ignore", divide="ignore"):
            leave, full = np.log(self.leave_out), np.log(self.value)
        se = np.where(self._enough(), self.se, np.nan)
        parts = self._jackknifed(full, se, leave, self.occupied)
        return "log", (self.value, *parts, np.zeros(len(self)))

    def versus(self, reference: Mean, share: Floats, comparison: str) -> Arguments:
        if comparison != "ratio":
            return super().versus(reference, share, comparison)
        value, se, df = self._logged(reference)
        return "log", (value, se * np.where(self._enough(reference), 1.0, np.nan), df, share)

    def _logged(self, reference: Mean) -> tuple[Floats, Floats, Floats]:
        """The ratio of the two, the standard error of its logarithm, and the degrees of freedom of that."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = self.value / np.where(reference.value > 0, reference.value, np.nan)
            leave = np.log(self.leave_out / reference.leave_out)
            se = np.hypot(self.se, reference.se)
            return value, *self._jackknifed(np.log(value), se, leave, self.occupied | reference.occupied)

    @property
    def absolute_se(self) -> Floats:
        return self.se * self.value

    @property
    def relative_se(self) -> Floats:
        return self.se


@dataclass(frozen=True)
class ShareOdds(Odds):
    """The odds of a proportion, `x` of `size` effective rows, whose exact limits carry their difference."""

    x: Floats
    size: Floats

    def versus(self, reference: Mean, share: Floats, comparison: str) -> Arguments:
        if comparison == "ratio" or not isinstance(reference, ShareOdds):
            return super().versus(reference, share, comparison)
        with np.errstate(invalid="ignore", divide="ignore"):
            _, se, df = self._logged(reference)
            deff = np.fmax(1.0, (se / np.hypot(self.se, reference.se)) ** 2)
        size = self.size * np.where(self._enough(reference), 1.0, np.nan)
        return "odds:difference", (self.x, size, reference.x, reference.size, deff, df)

    def _gone(self, flags: Flags) -> dict[str, Any]:
        return {**super()._gone(flags), "size": np.where(flags, np.nan, self.size)}


@dataclass(frozen=True)
class Portion(Sample):
    """A value between 0 and 1 that is no share of rows, described and never judged.

    `se` is its standard error; `least` and `most` are what its bins allow.
    """

    se: Floats
    least: Floats
    most: Floats

    def alone(self) -> Arguments:
        se = np.where(self.n >= LEAST_ROWS, self.se, np.nan)
        return "logit", (self.value, self.least, self.most, se)


@dataclass(frozen=True)
class Distance(Sample):
    """How far each group lies from everyone else, described and never judged.

    `least` and `most` are what its bins allow; `noise`, shape (G, R), draws of the distance that
    chance alone makes.
    """

    least: Floats
    most: Floats
    noise: Floats

    def alone(self) -> Arguments:
        noise = np.where(np.isfinite(self.noise), self.noise, 0.0)
        certain = ~np.any(noise > 0, axis=1)
        logs = np.log(np.where(certain[:, None], 1.0, np.maximum(noise, _TINY)))
        centre = np.where(certain, -np.inf, logs.mean(axis=1))
        return "from zero", (self.value, self.least, self.most, centre, logs.std(axis=1))


@dataclass(frozen=True)
class Area(Sample):
    """An area under the ROC curve; `parts`: the area, its least and largest value under the binning, its
    variance, positives, negatives."""

    parts: tuple[Floats, ...]

    def alone(self) -> Arguments:
        return "auc", self.parts

    def versus(self, reference: Area, share: Floats, comparison: str) -> Arguments | None:
        return ("auc:difference", (*self.parts, *reference.parts)) if comparison == "difference" else None


def difference_or_ratio(mine: Floats, reference: Floats, share: Floats, comparison: str) -> Floats:
    """Group minus, or divided by, the reference; NaN where undefined, as a ratio of values under 0 is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if comparison == "difference":
            difference: Floats = (1 - share) * (mine - reference)
            return difference
        below = (1 - share) * reference + share * mine
        ratio: Floats = mine / np.where((below > 0) & (mine >= 0), below, np.nan)
        return ratio


def reasons(undefined: Flags, reason: str) -> tuple[str | None, ...]:
    """The reason where undefined, None elsewhere."""
    return tuple(reason if flag else None for flag in undefined)


def no_buckets(size: int) -> Floats:
    """What stands for cluster buckets where there are no clusters."""
    return np.zeros((size, 0))

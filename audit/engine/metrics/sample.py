"""A metric measured in groups: its values, and what is needed to compare them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from audit.engine.groups import Floats, Index

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """One metric in each of G groups; every array has shape (G,), buckets (G, B).

    `kind` is rate (a proportion: x of size effective rows), mean (a value with a standard error),
    odds (a positive ratio, its standard error on the log scale) or auc. `value` is NaN where the
    metric is undefined, and `why` says so there. `n` is the denominator's rows, `k` the
    numerator's (weighted: Σw of the numerator). `thin` marks weighted rates with under ten rows
    in numerator or complement.
    """

    kind: str
    value: Floats
    n: Floats
    why: tuple[str | None, ...]
    k: Floats | None = None
    x: Floats | None = None
    size: Floats | None = None
    mass: Floats | None = None
    """Sum of weights in the denominator, the rows where there are none."""
    se: Floats | None = None
    thin: Flags | None = None
    bucket_k: Floats | None = None
    bucket_n: Floats | None = None
    leave_out: Floats | None = None
    """The value without each cluster bucket, shape (G, B)."""
    occupied: Flags | None = None
    auc: tuple[Floats, ...] | None = None
    """Area, its least and largest value under the binning, variance, positives, negatives."""

    def __len__(self) -> int:
        return len(self.value)

    def take(self, index: Index) -> Sample:
        """The groups at these places, repeats allowed."""
        chosen = {name: None if (v := getattr(self, name)) is None else v[index] for name in _ARRAYS}
        return replace(
            self,
            why=tuple(self.why[i] for i in index),
            auc=None if self.auc is None else tuple(part[index] for part in self.auc),
            **chosen,
        )

    @property
    def effective(self) -> Floats:
        """Rows that the floors count: effective ones where there are weights."""
        return self.n if self.size is None else np.minimum(self.n, self.size)


_ARRAYS = (
    "value",
    "n",
    "k",
    "x",
    "size",
    "mass",
    "se",
    "thin",
    "bucket_k",
    "bucket_n",
    "leave_out",
    "occupied",
)


def reasons(undefined: Flags, reason: str) -> tuple[str | None, ...]:
    """The reason where undefined, None elsewhere."""
    return tuple(reason if flag else None for flag in undefined)


def undefined_where(sample: Sample, flags: Flags, reason: str) -> Sample:
    """The sample with its value taken away where flagged; nothing is left there to test."""
    if not flags.any():
        return sample
    changed = {
        name: None if (v := getattr(sample, name)) is None else np.where(flags, gone, v)
        for name, gone in (("value", np.nan), ("se", np.nan), ("x", 0.0), ("size", 0.0))
    }
    if sample.bucket_n is not None:
        changed["bucket_n"] = np.where(flags[:, None], 0.0, sample.bucket_n)
    why = tuple(reason if flag else why for flag, why in zip(flags, sample.why, strict=True))
    return replace(sample, why=why, **changed)

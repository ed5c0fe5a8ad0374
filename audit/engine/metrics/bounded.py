"""Means of scores in [0, 1], with an allowance for rare scores of which few or none were drawn.

A rare score far from the others carries the mean's variance, and where none of it was drawn that variance
is estimated as 0. So the standard error of each limit is at least what these reach on its side:

- of the score's own tail: its third moment over its second is the size d of the jumps that make the tail
  up. A sum of c such jumps varies by c·d², and its exact Poisson limit reaches (2√c + 4)·d² farther, as
  `scarcity` has it of counts;
- of what everyone's scores hold beyond the mean: a share of up to 2/n, at the level z of the limit 2z/n,
  may go undrawn. It lies where everyone's tail puts it, and is no more than `TIMES` everyone's share there;
- of a group whose drawn scores are of at most `FEW` values, or all but agree (within `ALIKE`): as much at 0
  and at 1, whatever others have.

What remains: a far score that one group alone has, among many near ones (`benchmarks/score_validity.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.engine.groups import Floats
from audit.engine.metrics.sample import Arguments, Flags, Mean, no_buckets, reasons
from audit.engine.scored import Scored

TIMES = 3.0
"""How many times everyone's share of a far score a group is allowed for at most, for each unit of z."""
ALIKE = 0.01
"""Scores that lie no farther apart say nothing of how far scores of the group may lie."""
FEW = 10
"""Values of a scale so coarse that the drawn ones say nothing of where the others lie."""


@dataclass(frozen=True)
class BoundedMean(Mean):
    """A mean with a standard error for its lower and one for its upper limit."""

    below: Floats
    above: Floats

    def alone(self) -> Arguments:
        enough = np.where(self._enough(), 1.0, np.nan)
        return self._sided(
            self.value, enough * self.below, enough * self.above, self.leave_out, self.occupied
        )

    def versus(self, reference: Mean, share: Floats, comparison: str) -> Arguments:
        if comparison == "ratio" or not isinstance(reference, BoundedMean):
            return super().versus(reference, share, comparison)
        part = (1 - share) * np.where(self._enough(reference), 1.0, np.nan)
        below, above = np.hypot(self.below, reference.above), np.hypot(self.above, reference.below)
        leave = (1 - share)[:, None] * (self.leave_out - reference.leave_out)
        value = (1 - share) * (self.value - reference.value)
        return self._sided(value, part * below, part * above, leave, self.occupied | reference.occupied)

    def _sided(
        self, value: Floats, below: Floats, above: Floats, leave: Floats, occupied: Flags
    ) -> Arguments:
        low, df = self._jackknifed(value, below, leave, occupied)
        high, _ = self._jackknifed(value, above, leave, occupied)
        return "sided", (value, low, high, df)

    def _gone(self, flags: Flags) -> dict[str, Any]:
        gone = {name: np.where(flags, np.nan, getattr(self, name)) for name in ("below", "above")}
        return {**super()._gone(flags), **gone}


def mean_score(scored: Scored, labels: list[int], reason: str) -> BoundedMean:
    """The mean score of the rows with one of the labels, from exact sums; its tails from the bins."""
    w2, mass = (v[:, :, labels].sum(axis=2) for v in (scored.w2, scored.w))
    total, n = mass.sum(axis=1), scored.n[:, :, labels].sum(axis=(1, 2))
    at, least, most = _places(scored, labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(total > 0, total, np.nan)
        mean = scored.s[:, labels].sum(axis=1) / inside
        squares, sums = scored.ss2[:, labels].sum(axis=1), scored.s2[:, labels].sum(axis=1)
        spread = np.maximum(squares - 2 * mean * sums + mean**2 * w2.sum(axis=1), 0.0)
        spread = spread * n / np.maximum(n - 1, 1)
        weight = w2.sum(axis=1) / inside
        jump = weight * _ratio((w2 * (at - mean[:, None]) ** 3).sum(axis=1), spread)
        missed = 2 * weight / inside
    coarse = (most - least <= ALIKE) | ((mass > 0).sum(axis=1) <= FEW)
    variances = []
    for sign, end in ((-1.0, 0.0), (1.0, 1.0)):
        tail = np.maximum(sign * jump, 0.0)
        own = (spread + tail * (2 * np.sqrt(spread) + 4 * tail)) / inside**2
        with np.errstate(invalid="ignore"):
            unseen = np.where(
                coarse, np.abs(end - mean) * missed, _beyond(sign, at - mean[:, None], mass, missed)
            )
        variances.append(np.fmax(own, unseen**2))
    below, above = (np.where(n > 1, np.sqrt(part), np.nan) for part in variances)
    why = reasons(np.isnan(mean), reason)
    buckets, none = no_buckets(len(n)), np.zeros((len(n), 0), dtype=bool)
    return BoundedMean(mean, n, why, np.fmax(below, above), buckets, none, below, above, mass=total)


def _places(scored: Scored, labels: list[int]) -> tuple[Floats, Floats, Floats]:
    """Where everyone's scores of each bin lie, and the least and greatest score of each group.

    Scores outside [0, 1], of which no mean is taken, are held within; no score is infinite.
    """
    low, high = scored.low[:, :, labels].min(axis=2), scored.high[:, :, labels].max(axis=2)
    low, high = (np.where(np.isfinite(end), np.clip(end, 0.0, 1.0), end) for end in (low, high))
    first, last = low.min(axis=0), high.max(axis=0)
    seen = first <= last
    at = np.where(seen, (np.where(seen, first, 0.0) + np.where(seen, last, 0.0)) / 2, 0.0)
    return at, low.min(axis=1), high.max(axis=1)


def _beyond(sign: float, off: Floats, mass: Floats, missed: Floats) -> Floats:
    """The most by which undrawn rows may move each mean to one side, by everyone's scores there."""
    everyone = mass.sum(axis=0)
    tail = np.cumsum(everyone[::-1])[::-1] if sign > 0 else np.cumsum(everyone)
    share = TIMES * tail / max(float(everyone.sum()), 1e-300)
    reach = np.where(everyone > 0, sign * off, 0.0) * np.minimum(missed[:, None], share)
    found: Floats = np.maximum(reach.max(axis=1), 0.0)
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0))

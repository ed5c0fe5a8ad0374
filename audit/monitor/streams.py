"""A stream: one question about one group, asked for ever."""

from __future__ import annotations

import math
from dataclasses import dataclass

from audit.registry import Mask

RESERVE = 0.1
"""The share of the alarm budget that is kept for groups that appear later."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One question asked for ever: is this group's rate outside its bounds?"""

    id: str
    rule: str
    metric: str
    attribute: str
    group: str | None
    reference: str
    """A group's value, `rest`, `bound` (a fixed rate of the policy) or `baseline`."""
    comparison: str
    """difference, ratio, or rate (against a fixed number): what the blocks are."""
    lower: float | None
    upper: float | None
    """Evidence against the group is evidence of a value beyond these; None: no limit on that side. Of a
    distance, which is never negative, `upper` holds on either side of `centres`."""
    fine_lower: float | None
    fine_upper: float | None
    """Evidence that all is well is evidence of a value inside these."""
    a: int
    b: int
    """Rows of the group and of the reference in a block; b is 0 for a rate."""
    unit: str
    """`rows` or `window`: what one block is."""
    weight: float
    severity: str
    numerator: Mask
    denominator: Mask
    reads: tuple[int, ...] = ()
    """Of a stream of scores: the cuts whose outcomes it looks at, or `MEAN`. () are decisions."""
    cuts: tuple[float, ...] = ()
    """The scores of the cuts that are read."""
    centres: tuple[float, ...] = ()
    """Of a distance, for each cut: the audited share above it, or 0 for a gap; () is no distance."""

    @property
    def parts(self) -> int:
        """How many tables it has, one after another in its counts: one for each cut of a distance."""
        return max(1, len(self.reads))

    @property
    def cells(self) -> int:
        """Length of its count table."""
        if self.unit == "window":
            one = 2 if self.comparison == "rate" else 4
        else:
            one = 2 if self.comparison == "rate" else (self.a + 1) * (self.b + 1)
        return one * self.parts

    @property
    def against(self) -> str:
        """What it is held against, in words."""
        if self.reference == "baseline":
            return "its audited distribution" if self.centres else "its audited rate"
        return "the policy's bound" if self.reference == "bound" else self.reference

    @property
    def compared(self) -> str:
        """What its value is, in a word: difference, ratio, rate or distance."""
        return "distance" if self.centres else self.comparison

    def limits(self, *, fine: bool = False) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
        """The lower and upper bound of each part."""
        low, high = (self.fine_lower, self.fine_upper) if fine else (self.lower, self.upper)
        if not self.centres:
            return (low,) * self.parts, (high,) * self.parts
        least, most = (0.0, 1.0) if self.comparison == "rate" else (-1.0, 1.0)
        if high is None:
            return (None,) * self.parts, (None,) * self.parts
        return (
            tuple(max(least, centre - high) for centre in self.centres),
            tuple(min(most, centre + high) for centre in self.centres),
        )

    @property
    def needs_label(self) -> bool:
        """Whether a row without a label takes no part, so that it is judged on cohorts past the label lag."""
        return all(label is not None for label, _ in self.denominator)

    def own(self, value: str | None) -> bool:
        """Whether rows of the group called `value` are the stream's own."""
        return value == self.group

    def other(self, value: str | None) -> bool:
        """Whether rows of the group called `value` are in the reference."""
        return value != self.group if self.reference == "rest" else (value or "") == self.reference


def weights(streams: int, *, reserve: float = RESERVE) -> float:
    """Each stream's share of the alarm budget, the reserve for later groups left out.

    >>> weights(9)
    0.1
    """
    return (1 - reserve) / streams


def later_weight(number: int, *, reserve: float = RESERVE) -> float:
    """The share of the number-th stream that appears later (from 1); all of them sum to the reserve."""
    return reserve * 6 / (math.pi * number) ** 2

"""Evidence on a difference whose limits are recovered from those of its two parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from audit.engine.score import falling_root
from audit.engine.tails import Array, Tails, quantile, upper_tail

_FARTHEST = 38.0


class Recovered(Tails):
    """Tests by inverting the limits, so that asymmetric parts keep their asymmetry.

    Source: Zou and Donner, Statistics in Medicine 27 (2008).
    """

    df: Array

    @abstractmethod
    def _low_at(self, q: Array) -> Array:
        """The lower limit at the quantile q of the normal or of Student's t."""

    @abstractmethod
    def _high_at(self, q: Array) -> Array:
        """The upper limit at the quantile q."""

    def above(self, t: Array) -> Array:
        return self._tail(lambda q: self._low_at(q) - t, t)

    def below(self, t: Array) -> Array:
        return self._tail(lambda q: t - self._high_at(q), t)

    def low_limit(self, level: Array) -> Array:
        return self._low_at(quantile(level, self.df))

    def high_limit(self, level: Array) -> Array:
        return self._high_at(quantile(level, self.df))

    def _tail(self, falling: Callable[[Array], Array], t: Array) -> Array:
        shape = np.zeros(np.broadcast(self.estimate, t).shape)
        return upper_tail(falling_root(falling, shape - _FARTHEST, shape + _FARTHEST), self.df)

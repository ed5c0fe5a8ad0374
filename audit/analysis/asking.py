"""A model that can be asked for decisions and scores, whatever it was stored as."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError, UsageError
from audit.registry import nearest

if TYPE_CHECKING:
    import pandas as pd


Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Model:
    """A model that can be asked; `decide` and `rate` take a frame of n rows of its features."""

    kind: str
    """skops, onnx, function or pickle."""
    name: str
    sha256: str | None
    """Of the file's bytes; None for a function."""
    features: tuple[str, ...] | None
    """The columns that it was trained on, in order; None where it does not say."""
    classes: tuple[Any, ...] | None
    """The labels it can give, in the order of its scores' columns; None where it does not say."""
    estimator: Any = field(repr=False, compare=False)
    """What was stored: a scikit-learn estimator, an ONNX session, a function."""
    _ask: Callable[[pd.DataFrame], tuple[Array, Array | None]] = field(repr=False, compare=False)

    def decide(self, frame: pd.DataFrame) -> Array:
        """The model's decision on each row, shape (n,).

        Errors: UsageError where a feature is not among the columns; DataError where the model fails
        on the rows or gives another number of answers.
        """
        return self._answers(frame)[0]

    def rate(self, frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
        """The score of each class, shape (n, classes); None where the model gives decisions alone.

        Errors: as `decide`.
        """
        scores = self._answers(frame)[1]
        return None if scores is None else np.asarray(scores, dtype=np.float64)

    def score(self, frame: pd.DataFrame, positive: Any = None) -> npt.NDArray[np.float64] | None:
        """The score of the positive class, shape (n,); of two classes the second is positive by default.

        None where the model gives no scores. Errors: as `decide`; UsageError where `positive` is no
        class, or is left out and there are not two.
        """
        scores = self.rate(frame)
        if scores is None:
            return None
        if positive is None:
            if scores.shape[1] != 2:
                raise UsageError(
                    f"the model tells {scores.shape[1]} classes apart, and none is named positive",
                    where=self.name,
                    hint="Name the positive class.",
                )
            return scores[:, 1]
        known = [str(one) for one in self.classes or ()]
        if str(positive) not in known:
            raise UsageError(
                f"the model has no class {str(positive)!r}; it has: {', '.join(known) or 'none named'}",
                where=self.name,
                hint="Name one of them as positive.",
            )
        return scores[:, known.index(str(positive))]

    def _answers(self, frame: pd.DataFrame) -> tuple[Array, Array | None]:
        rows = self._chosen(frame)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                decisions, scores = self._ask(rows)
        except (UsageError, DataError):
            raise
        except Exception as error:
            raise DataError(
                f"the model failed on the rows: {type(error).__name__}: {one_line(error)}",
                where=self.name,
                hint="Give the columns that it was trained on, in the form that it was trained on.",
            ) from error
        for answer, what in ((decisions, "decisions"), (scores, "rows of scores")):
            if answer is not None and len(answer) != len(frame):
                raise DataError(
                    f"the model gave {len(answer)} {what} for {len(frame)} rows",
                    where=self.name,
                    hint="One answer a row is needed.",
                )
        for answer in (decisions, scores):
            if answer is not None and answer.dtype.kind == "f" and np.isnan(answer).any():
                raise DataError(
                    "the model gave no answer (NaN) for some rows",
                    where=self.name,
                    hint="Fill or leave out the values that it cannot read.",
                )
        return decisions, scores

    def _chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.features is None:
            return frame
        lacking = [name for name in self.features if name not in frame.columns]
        if lacking:
            near = nearest(lacking[0], [str(name) for name in frame.columns])
            raise UsageError(
                f"the model needs the column {lacking[0]!r}, which is not there",
                where=self.name,
                hint=f"Did you mean {near}?" if near else f"It needs: {', '.join(self.features[:30])}.",
            )
        return frame[list(self.features)]


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

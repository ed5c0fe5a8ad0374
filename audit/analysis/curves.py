"""Learning curves per group: a model refitted on nested subsets, resumable, in parallel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.base import clone

from audit.analysis.diagnostics import EVERYONE, group_names
from audit.errors import DataError, OutputError, UsageError

Progress = Callable[[int, int], None]
"""Called with fits done and fits in all."""
FRACTIONS = (0.1, 0.2, 0.35, 0.6, 1.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One fit's error on one group."""

    varied: str
    """The group whose rows were thinned; `everyone` where all were thinned alike."""
    repeat: int
    fraction: float
    group: str
    """The group whose error it is."""
    group_rows: int
    """Training rows of that group in the fit."""
    rows: int
    """Training rows in the fit."""
    train_errors: int
    test_errors: int
    test_rows: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A fit that could not be made, and what the model said."""

    varied: str
    repeat: int
    fraction: float
    why: str


@dataclass(frozen=True, slots=True)
class Curves:
    """Every fit of every repeat; failures are kept beside, not hidden."""

    groups: tuple[str, ...]
    fractions: tuple[float, ...]
    repeats: int
    points: tuple[Point, ...]
    failures: tuple[Failure, ...]

    def of(self, group: str, *, varied: str = EVERYONE) -> tuple[Point, ...]:
        """The points of one group's curve, by size and repeat."""
        chosen = (one for one in self.points if one.group == group and one.varied == varied)
        return tuple(sorted(chosen, key=lambda one: (one.fraction, one.repeat)))


@dataclass(frozen=True)
class Rows:
    """Features (n, …), labels (n,) and groups (n,) of one split."""

    X: Any
    y: npt.NDArray[Any]
    group: npt.NDArray[Any]

    def take(self, index: npt.NDArray[np.intp]) -> Rows:
        """The rows at `index`."""
        X = self.X.iloc[index] if hasattr(self.X, "iloc") else self.X[index]
        return Rows(X, self.y[index], self.group[index])


def rows_of(X: Any, y: npt.ArrayLike, group: npt.ArrayLike, *, where: str) -> Rows:
    """Checked rows; DataError where lengths differ, there are none, or a label is missing."""
    labels, names = np.asarray(y), np.asarray(group).astype(str)
    size = X.shape[0] if hasattr(X, "shape") else len(X)
    if not size == len(labels) == len(names):
        raise DataError(f"{size} rows, {len(labels)} labels and {len(names)} groups", where=where)
    if size == 0:
        raise DataError("there are no rows", where=where)
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise DataError("a label is missing", where=where, hint="Leave out the rows without a label.")
    return Rows(X if hasattr(X, "iloc") else np.asarray(X), labels, names)


def learning_curves(
    estimator: Any,
    train: Rows,
    test: Rows,
    *,
    fractions: tuple[float, ...] = FRACTIONS,
    repeats: int = 5,
    by_group: bool = False,
    seed: int = 0,
    n_jobs: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Curves:
    """The error of each group as the training rows grow: of all groups alike, or of one at a time.

    Each repeat orders the training rows anew; its subsets are nested, so that sizes differ by the
    rows that were added. `by_group` thins one group's rows and keeps all others, which is the
    question of what more rows of that group would do. `cache` is a file of finished fits: a run that
    was stopped goes on from there, and other data, model or seed never meets them.
    A fit that fails becomes a `Failure`; where all fail, that is an error.
    Errors: UsageError for fractions outside (0, 1] or no repeat; DataError where every fit fails.
    """
    if not fractions or min(fractions) <= 0 or max(fractions) > 1:
        raise UsageError("fractions lie in (0, 1]", where="fractions", hint="For example 0.1, 0.3, 1.")
    if repeats < 1:
        raise UsageError("at least one repeat is needed", where="repeats")
    groups = group_names(train.group)
    varied = groups if by_group else (EVERYONE,)
    steps = [(name, at, part) for at in range(repeats) for name in varied for part in sorted(fractions)]
    store = _Store(cache, _digest(estimator, train, test, seed))
    todo = [step for step in steps if step not in store.done]
    if progress is not None:
        progress(len(steps) - len(todo), len(steps))
    failures: list[Failure] = []
    for count, (step, outcome) in enumerate(_fits(estimator, train, test, todo, seed, n_jobs), start=1):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            store.add(step, outcome)
        if progress is not None:
            progress(len(steps) - len(todo) + count, len(steps))
    if failures and len(failures) == len(steps):
        raise DataError(f"the model failed on every subset: {failures[0].why}", where="learning curve")
    points = tuple(point for step in steps for point in store.done.get(step, ()))
    return Curves(groups, tuple(sorted(fractions)), repeats, points, tuple(failures))


_Step = tuple[str, int, float]


def _fits(
    estimator: Any, train: Rows, test: Rows, steps: list[_Step], seed: int, n_jobs: int
) -> Iterator[tuple[_Step, tuple[Point, ...] | Failure]]:
    jobs = (delayed(_fit)(estimator, train, test, step, seed) for step in steps)
    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)


def _fit(
    estimator: Any, train: Rows, test: Rows, step: _Step, seed: int
) -> tuple[_Step, tuple[Point, ...] | Failure]:
    varied, repeat, fraction = step
    subset = train.take(subset_index(train.group, varied, repeat, fraction, seed))
    try:
        model = clone(estimator).fit(subset.X, subset.y)
        wrong_train = np.asarray(model.predict(subset.X)) != subset.y
        wrong_test = np.asarray(model.predict(test.X)) != test.y
    except Exception as error:  # whatever somebody's model raises is a result
        words = (str(error).splitlines() or [""])[0]
        return step, Failure(varied, repeat, fraction, f"{type(error).__name__}: {words[:300]}")
    points = []
    for group in (EVERYONE, *group_names(train.group)):
        fitted = np.ones(len(subset.y), bool) if group == EVERYONE else subset.group == group
        tested = np.ones(len(test.y), bool) if group == EVERYONE else test.group == group
        counts = (int(fitted.sum()), len(subset.y), int(wrong_train[fitted].sum()))
        points.append(
            Point(varied, repeat, fraction, group, *counts, int(wrong_test[tested].sum()), int(tested.sum()))
        )
    return step, tuple(points)


def subset_index(
    group: npt.NDArray[Any], varied: str, repeat: int, fraction: float, seed: int
) -> npt.NDArray[np.intp]:
    """The training rows of one fit: nested over fractions, of each thinned group the same part."""
    order = np.random.default_rng([seed, repeat]).permutation(len(group))
    kept = np.zeros(len(group), dtype=bool)
    for name in group_names(group):
        members = order[group[order] == name]
        part = fraction if varied in (EVERYONE, name) else 1.0
        kept[members[: max(1, round(part * len(members)))]] = True
    return order[kept[order]]


def _digest(estimator: Any, train: Rows, test: Rows, seed: int) -> str:
    digest = hashlib.sha256(f"{type(estimator).__qualname__}{estimator!r}{seed}".encode())
    for rows in (train, test):
        for part in (rows.X, rows.y, rows.group):
            array = part.to_numpy() if hasattr(part, "to_numpy") else part
            digest.update(str((array.shape, array.dtype)).encode())
            plain = array.astype(str) if array.dtype.kind == "O" else array
            digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()[:16]


class _Store:
    """Finished fits, one JSON line each, written as they come; a torn last line is passed over."""

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self.key = path, key
        self.done: dict[_Step, tuple[Point, ...]] = {}
        if path is None or not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                if entry["key"] == key:
                    points = tuple(Point(**point) for point in entry["points"])
                    self.done[points[0].varied, points[0].repeat, points[0].fraction] = points
            except (ValueError, TypeError, KeyError, IndexError):
                continue

    def add(self, step: _Step, points: tuple[Point, ...]) -> None:
        self.done[step] = points
        if self.path is None:
            return
        line = json.dumps({"key": self.key, "points": [asdict(point) for point in points]})
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write("\n" + line + "\n")
        except OSError as error:
            raise OutputError(
                f"the finished fits cannot be kept: {error.strerror}",
                where=str(self.path),
                hint="Make room there, or name another file with `--resume`.",
            ) from error

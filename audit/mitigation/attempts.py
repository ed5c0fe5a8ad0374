"""One remedy on one fold, many times: in parallel, within a budget, each result kept as it comes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from audit.errors import OutputError
from audit.mitigation.base import CannotTryError, Ints, Names, quiet
from audit.mitigation.catalogue import Method
from audit.mitigation.problem import Problem

Progress = Callable[[int, int, str], None]
"""Called with attempts done, attempts in all, and the remedy at hand."""
OUT_OF_TIME = "the budget was used up before it"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A remedy fitted without a fold and asked about it."""

    name: str
    fold: int
    seconds: float
    decisions: str | None
    """One bit a row of the fold, base64; None where it failed."""
    rows: int
    chosen: str | None
    why: str | None

    def unpacked(self) -> Ints:
        """The decisions, 0 or 1, in the order of the fold's rows."""
        raw = np.frombuffer(base64.b64decode(self.decisions or ""), dtype=np.uint8)
        return np.unpackbits(raw)[: self.rows].astype(np.int64)


def attempt(problem: Problem, method: Method, fold: int) -> Attempt:
    """Fit on the training rows of all other folds, decide on this one; a failure is a result."""
    judged, fit = problem.fold == fold, problem.training.fold != fold
    start = time.perf_counter()
    try:
        learned = problem.training
        _known(method, learned.A[fit], problem.A[judged])
        with quiet():
            remedy: Any = method.make(problem.setting)
            remedy.fit(
                learned.X[fit].reset_index(drop=True),
                learned.y[fit],
                learned.A[fit].astype(str).astype(object),
            )
            X = problem.X[judged].reset_index(drop=True)
            found = np.asarray(remedy.predict(X, problem.A[judged])).astype(np.int64)
        why = _wrong(found, int(judged.sum()))
    except CannotTryError as error:
        return Attempt(method.name, fold, time.perf_counter() - start, None, 0, None, str(error))
    except ModuleNotFoundError as error:
        why = f"needs {error.name}, which is not installed: pip install 'harm-audit[mitigation]'"
        return Attempt(method.name, fold, time.perf_counter() - start, None, 0, None, why)
    except Exception as error:  # whatever a library or somebody's model raises is a result
        lines = str(error).strip().splitlines() or ["no words"]
        why = f"{type(error).__name__}: {lines[0][:300]}"
        return Attempt(method.name, fold, time.perf_counter() - start, None, 0, None, why)
    packed = None if why else base64.b64encode(np.packbits(found.astype(np.uint8)).tobytes()).decode()
    chosen = getattr(remedy, "chosen", None)
    seconds = time.perf_counter() - start
    return Attempt(
        method.name, fold, seconds, packed, len(found), None if chosen is None else _words(chosen), why
    )


def _known(method: Method, fit: Names, judged: Names) -> None:
    """A rule by group has none for a group that it has not seen; libraries then refuse everyone."""
    unseen = sorted(set(judged) - set(fit)) if method.needs_attribute_at_decision else []
    if unseen:
        raise CannotTryError(f"nobody of {', '.join(unseen)} is among the training rows of this fold")


def _wrong(found: Ints, rows: int) -> str | None:
    if found.shape != (rows,):
        return f"gave decisions of shape {found.shape} for {rows} rows"
    if rows and not np.isin(found, (0, 1)).all():
        return "gave decisions that are neither 0 nor 1"
    return None


def _words(chosen: Any) -> str:
    if isinstance(chosen, tuple):
        return ", ".join(str(one) for one in chosen)
    return f"{chosen:g}" if isinstance(chosen, (int, float)) else str(chosen)


def attempts(
    problem: Problem,
    methods: tuple[Method, ...],
    *,
    store: Path | None = None,
    budget: float | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> dict[tuple[str, int], Attempt]:
    """Every remedy on every fold; what was kept before is not done again, except what failed.

    `budget` is in seconds: what is under way when it ends is finished, nothing more is begun.
    """
    kept = _Store(store, problem.digest)
    folds = [fold for fold in range(problem.folds) if (problem.fold == fold).any()]
    steps = [(one, fold) for one in methods for fold in folds]
    todo = [step for step in steps if not kept.has(step[0].name, step[1])]
    ends = None if budget is None else time.monotonic() + budget
    done = len(steps) - len(todo)

    def begin() -> Iterator[Any]:
        for one, fold in todo:
            if ends is not None and time.monotonic() >= ends:
                return
            yield delayed(attempt)(problem, one, fold)

    if budget is None or budget > 0:
        runner = Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs", max_nbytes=None
        )
        for found in runner(begin()):
            kept.add(found)
            done += 1
            if progress is not None:
                progress(done, len(steps), found.name)
    wanted = {(one.name, fold) for one, fold in steps}
    return {step: found for step, found in kept.done.items() if step in wanted}


class _Store:
    """Finished attempts, one JSON line each, appended as they come; a torn last line is passed over."""

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self.key = path, key
        self.done: dict[tuple[str, int], Attempt] = {}
        if path is None or not path.exists():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry.pop("key") == key:
                    found = Attempt(**entry)
                    self.done[found.name, found.fold] = found
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def has(self, name: str, fold: int) -> bool:
        """Whether this was done, and did not fail."""
        found = self.done.get((name, fold))
        return found is not None and found.why is None

    def add(self, found: Attempt) -> None:
        """Keep one attempt."""
        self.done[found.name, found.fold] = found
        if self.path is None:
            return
        line = json.dumps({"key": self.key, **asdict(found)})
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write("\n" + line + "\n")
        except OSError as error:
            raise OutputError(
                f"the finished attempts cannot be kept: {error.strerror}",
                where=str(self.path),
                hint="Make room there, or name another file with `--resume`.",
            ) from error

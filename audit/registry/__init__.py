"""The metrics as data: what each is, needs, means and cannot see; every page and test reads it here.

A family is one module or package beside this file with a tuple `METRICS` (and, where it names whole
comparisons, `ALIASES`) and the `TASKS` that it fits; adding the file is all it takes.
"""

from __future__ import annotations

import difflib
import importlib
import math
import pkgutil
from dataclasses import dataclass, replace
from functools import cache

from audit.errors import UsageError

Mask = frozenset[tuple[int | None, int | None]]
"""A set of (label, prediction) cells; None is a missing label or prediction."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a group. `numerator` and `denominator` are set where it is a proportion of rows."""

    name: str
    title: str
    family: str
    needs: tuple[str, ...]
    """Roles it reads: label, prediction, score, …"""
    definition: str
    formula: str
    unit: str
    """proportion, ratio, score or count."""
    parity: float | None
    """The value of a difference at parity; None where groups are not compared by it."""
    high_is: str
    """`good` or `bad` for the person whatever the outcome, `outcome`: as a positive prediction is,
    `inverse`: as a negative one is, or `neither`."""
    interval: str
    """clopper_pearson, linearised, transformed, delong, distance, clustered or none."""
    denominator_words: str
    blind_spot: str
    """What it cannot see."""
    use_when: str
    source: str
    example: str
    numerator: Mask | None = None
    denominator: Mask | None = None
    comparable: bool = True
    """False for what is described and never judged."""
    comparisons: tuple[str, ...] = ()
    """The comparisons it may be asked in, where they are not those that its kind offers."""
    between: tuple[float | None, float | None] = (None, None)
    """The least and the largest value that it can have; of a proportion 0 and 1 unless it says otherwise."""

    @property
    def span(self) -> tuple[float, float]:
        """What it can be at all; infinite where it has no end.

        >>> metrics()["f1"].span, metrics()["r2"].span
        ((0.0, 1.0), (-inf, 1.0))
        """
        least, most = self.between
        if self.unit == "proportion" and (least, most) == (None, None):
            return 0.0, 1.0
        return -math.inf if least is None else least, math.inf if most is None else most


@dataclass(frozen=True, slots=True)
class Alias:
    """A named comparison: one or more metrics under one comparison."""

    name: str
    title: str
    metrics: tuple[str, ...]
    comparisons: tuple[str, ...]
    """The comparisons it may be asked in; the first is the default."""
    definition: str
    blind_spot: str
    use_when: str
    source: str
    example: str
    judge: str = "interval"
    reference: str | None = None
    """A reference that its definition fixes (four-fifths: best)."""
    bound: float | None = None
    """A bound that its definition fixes (four-fifths: 0.8)."""
    one_sided: bool = False
    comparable: bool = True


COMPARISONS = {
    "difference": "group minus reference",
    "ratio": "group divided by reference",
    "worst_group": "each group's own value against the bound",
    "conditional_difference": "Mantel–Haenszel difference over the strata of the control columns",
    "conditional_ratio": "Mantel–Haenszel ratio over the strata of the control columns",
    "pairs": "every pair of groups",
    "distance": "how far the group's distribution lies from the reference's",
}


TASKS = {
    "binary": "a decision of two values, with labels; a score beside it where there is one",
    "score": "a score, with or without a threshold",
    "regression": "a number is predicted: label and prediction are both numbers",
    "multiclass": "one of several classes is predicted, for each row one",
    "ranking": "people are put in an order within each query",
    "selection": "some are selected, and no labels say what would have been right",
}
"""What the audited system does, as `data.task` names it."""
_DECIDING = ("binary", "score", "selection")


@cache
def metrics() -> dict[str, Metric]:
    """Every metric by name, in the order of the families' names and of their files."""
    return {m.name: m for module in _families() for m in module.METRICS}


@cache
def aliases() -> dict[str, Alias]:
    """Every named comparison by name."""
    return {a.name: a for module in _families() for a in getattr(module, "ALIASES", ())}


@cache
def _families() -> tuple:  # type: ignore[type-arg]
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


@cache
def _tasks() -> dict[str, tuple[str, ...]]:
    """The tasks of each metric, by its family's file."""
    return {m.name: getattr(module, "TASKS", _DECIDING) for module in _families() for m in module.METRICS}


def family_tasks(metric: Metric) -> tuple[str, ...]:
    """The tasks that the metric's family fits."""
    return _tasks()[split_class(metric.name)[0]]


def measured_by(entry: Metric | Alias) -> str:
    """The tasks that a metric or named comparison fits, or the command that measures it.

    >>> measured_by(lookup("consistency")), measured_by(lookup("mae"))
    ('harm-audit individuals', 'harm-audit run, for the task regression')
    """
    tasks = tasks_of(entry)
    if not tasks and isinstance(entry, Metric):
        return f"harm-audit {entry.family}"
    return f"harm-audit run, for the task{'s' if len(tasks) > 1 else ''} {', '.join(tasks)}"


@cache
def on_request() -> frozenset[str]:
    """The families whose metrics are measured only where a rule names one of them."""
    modules = [module for module in _families() if getattr(module, "ON_REQUEST", False)]
    return frozenset(metric.family for module in modules for metric in module.METRICS)


def tasks_of(entry: Metric | Alias) -> tuple[str, ...]:
    """The tasks that a metric or named comparison fits, in the order of TASKS.

    >>> tasks_of(lookup("true_positive_rate"))
    ('binary', 'score', 'multiclass')
    """
    parts = [metrics()[split_class(name)[0]] for name in getattr(entry, "metrics", (entry.name,))]
    found = [task for task in TASKS if all(task in _tasks()[part.name] for part in parts)]
    needs = {need for part in parts for need in part.needs}
    return tuple(task for task in found if task != "selection" or "label" not in needs)


def with_class(name: str, of_class: str) -> str:
    """A metric of one class against the rest, as results name it.

    >>> with_class("true_positive_rate", "gold")
    'true_positive_rate[gold]'
    """
    return f"{name}[{of_class}]"


def split_class(name: str) -> tuple[str, str | None]:
    """The metric's own name, and the class that it is taken of; None where there is none.

    >>> split_class("true_positive_rate[gold]"), split_class("accuracy")
    (('true_positive_rate', 'gold'), ('accuracy', None))
    """
    base, bracket, rest = name.partition("[")
    return (base, rest[:-1]) if bracket and rest.endswith("]") else (name, None)


OTHER_TASKS = ("regression", "multiclass", "ranking")
"""Tasks whose cells hold no decisions of two values."""


def require_decisions(task: str, what: str) -> None:
    """A UsageError where `what` reads decisions of two values, and the task has none.

    >>> require_decisions("binary", "this profile")
    """
    if task in OTHER_TASKS:
        raise UsageError(
            f"{what} reads decisions of two values, and the task is {task}",
            hint="Audit the decision that follows from the output, with a label or prediction of two values.",
        )


def low_is_good(metric: Metric, outcome: str) -> bool:
    """Whether a low value is the good one for people, the outcome of a positive prediction given.

    >>> low_is_good(metric_named("false_negative_rate"), "favourable")
    True
    >>> low_is_good(metric_named("f1"), "adverse")
    False
    """
    turned = {"outcome": "adverse", "inverse": "favourable"}
    return metric.high_is == "bad" or turned.get(metric.high_is) == outcome


def lookup(name: str, *, where: str | None = None) -> Metric | Alias:
    """The metric or named comparison called `name`; a UsageError names the nearest one.

    >>> lookup("true_positive_rate").title
    'True positive rate'
    """
    known: dict[str, Metric | Alias] = {**metrics(), **aliases()}
    base, of_class = split_class(name)
    if base in known and of_class is not None:
        return _of_class(known[base], of_class)
    if name in known:
        return known[name]
    near = nearest(name, known)
    raise UsageError(
        f"no metric is called {name!r}",
        where=where,
        hint=f"Did you mean {near}? `harm-audit metrics` lists all."
        if near
        else "`harm-audit metrics` lists all.",
    )


def metric_named(name: str) -> Metric:
    """The metric called `name`, also one of a class; a KeyError where no metric is called so.

    >>> metric_named("f1[gold]").title
    'F1 (class gold)'
    """
    base, of_class = split_class(name)
    metric = metrics()[base]
    if of_class is None:
        return metric
    found = _of_class(metric, of_class)
    assert isinstance(found, Metric)
    return found


def _of_class(entry: Metric | Alias, of_class: str) -> Metric | Alias:
    named = replace(entry, name=with_class(entry.name, of_class), title=f"{entry.title} (class {of_class})")
    if isinstance(named, Alias):
        return replace(named, metrics=tuple(with_class(part, of_class) for part in named.metrics))
    return named


def nearest(name: str, known: object) -> str | None:
    """The known name closest to `name`, if any is close.

    >>> nearest("selecton_rate", ["selection_rate", "accuracy"])
    'selection_rate'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)  # type: ignore[call-overload]
    return found[0] if found else None

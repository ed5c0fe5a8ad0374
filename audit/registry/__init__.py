"""The metrics as data: what each is, needs, means and cannot see; every page and test reads it here.

A family is one module beside this file with a tuple `METRICS` (and, where it names whole
comparisons, `ALIASES`); adding the file is all it takes.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
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
    """`good` or `bad` for the person whatever the outcome, or `outcome`: as a positive prediction is."""
    interval: str
    """clopper_pearson, linearised, transformed, delong, clustered or none."""
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
}


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


def lookup(name: str, *, where: str | None = None) -> Metric | Alias:
    """The metric or named comparison called `name`; a UsageError names the nearest one.

    >>> lookup("true_positive_rate").title
    'True positive rate'
    """
    known: dict[str, Metric | Alias] = {**metrics(), **aliases()}
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


def nearest(name: str, known: object) -> str | None:
    """The known name closest to `name`, if any is close.

    >>> nearest("selecton_rate", ["selection_rate", "accuracy"])
    'selection_rate'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)  # type: ignore[call-overload]
    return found[0] if found else None

"""Aggregates by task: decisions and scores share one module, any other task has its own beside this file.

A task's module has `count(spec, source) -> Counts`, `expressions(spec, source)` (the aggregates, by
what they fill) and `aligned(mine, theirs)` (counts of two sites, made ready to be added).
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import TYPE_CHECKING, Any

import ibis

from audit.engine import aggregate
from audit.engine.counts import Counts
from audit.engine.source import Source

if TYPE_CHECKING:
    from audit.spec import AuditSpec


def count(spec: AuditSpec, source: Source, *, scoring_rate: bool = False) -> Counts:
    """Read the source once for each aggregate that the task needs, and account for every row."""
    own = _own(spec.data.task_named)
    if own is None:
        return aggregate.count(spec, source, scoring_rate=scoring_rate)
    counts: Counts = own.count(spec, source)
    return counts


def describe(spec: AuditSpec, source: Source) -> str:
    """The SQL that a run would send, in words and statements; sends only the probe."""
    own = _own(spec.data.task_named)
    if own is None:
        return aggregate.describe(spec, source)
    return "\n\n".join(
        f"-- {kind}\n{ibis.to_sql(table)};"
        for kind, tables in own.expressions(spec, source).items()
        for table in tables
    )


@cache
def _own(task: str) -> Any:
    name = f"{__name__}.{task}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None

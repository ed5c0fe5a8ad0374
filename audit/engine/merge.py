"""Counts of several sites as those of one: added up where they were taken alike, and refused where not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.engine.counts import Counts, aligned
from audit.errors import DataError, UsageError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

NO_MEDIAN = (
    "scoring rates need the median over all rows, which merged counts do not hold: they are not measured"
)
SHARED_CLUSTERS = "a cluster with rows at several sites counts once at each of them"


def merge(parts: Sequence[tuple[str, Counts]]) -> Counts:
    """The counts of all rows together; `parts` are (name, counts), a name for the words of an error.

    Every sum is the one that the pooled rows would give. Errors: DataError where two parts were
    taken of different attributes, controls, positive values, weights, score bins or groupings.
    """
    first = parts[0][0]
    whole, *others = aligned([counts for _, counts in parts])
    for (name, _), counts in zip(parts[1:], others, strict=True):
        try:
            whole = whole.plus(counts)
        except DataError as error:
            raise DataError(
                error.what,
                where=f"{first} and {name}",
                hint=error.hint
                or "Audit every site by one audit.yaml that differs in its source alone, with "
                "data.positive written out.",
            ) from error
    notes = []
    if any(counts.median is not None for _, counts in parts):
        notes.append(NO_MEDIAN)
    if whole.clusters is not None and len(parts) > 1:
        notes.append(SHARED_CLUSTERS)
    return replace(whole, notes=tuple(dict.fromkeys((*whole.notes, *notes))))


def check(spec: AuditSpec, counts: Counts, where: str) -> None:
    """A UsageError where the counts were not taken as the spec says."""
    data = spec.data
    asked: dict[str, tuple[object, object]] = {
        "attributes": (tuple(data.attributes), counts.attributes),
        "control": (tuple(data.control), counts.control),
        "weights": (data.weights, counts.weights),
    }
    given = dict(counts.positive)
    for role, named in (("label", data.positive_label), ("prediction", data.positive_prediction)):
        if named is not None and role in given and getattr(data.columns, role):
            asked[f"positive {role}"] = (named, given[role])
    for what, (wanted, found) in asked.items():
        if wanted != found:
            raise UsageError(
                f"the spec's {what}: {_words(wanted)}; the counts': {_words(found)}",
                where=where,
                hint="Use the audit.yaml by which the counts were taken.",
            )
    depth = min(data.intersections, len(counts.attributes))
    for names in itertools.combinations(counts.attributes, depth):
        if counts.covering(names) is None:
            raise UsageError(
                f"the counts hold no cells by {' × '.join(names)}",
                where=where,
                hint=f"Lower data.intersections, or count again with data.intersections: {depth}.",
            )


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)

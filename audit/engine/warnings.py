"""What an audit says of its data beside the numbers: what was assumed, and what looks like a slip."""

from __future__ import annotations

import numpy as np

from audit.engine.counts import Counts
from audit.engine.tables import Tables, rows_of
from audit.result import Rule
from audit.spec import AuditSpec

_FLIPPED = "four_fifths"


def warnings_of(spec: AuditSpec, counts: Counts, tables: Tables, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """The warnings, each a sentence for the report."""
    found = list(counts.notes)
    found += _doubtful(spec, counts, tables)
    if tables.uneven_labels:
        found.append(f"{tables.uneven_labels}: metrics that need labels cannot pass")
    if tables.uneven_relevance:
        found.append(f"{tables.uneven_relevance}: metrics that need relevance cannot pass")
    if spec.system.outcome == "adverse" and any(rule.metric == _FLIPPED for rule in rules):
        found.append(
            "four-fifths compares the shares not predicted positive, which is the favourable outcome"
        )
    if len(counts.cells) > 1:
        found.append("the full cross of attributes has too many cells; each grouping was counted apart")
    return tuple(found)


def _doubtful(spec: AuditSpec, counts: Counts, tables: Tables) -> list[str]:
    """What is allowed and mostly a slip: names that do not occur, a threshold of another scale."""
    found = []
    for name, item in spec.data.attributes.items():
        values = rows_of(counts, name)[0]
        unknown = [to for to in (item.map or {}).values() if to not in values]
        if unknown:
            named = ", ".join(repr(value) for value in dict.fromkeys(unknown))
            found.append(f"data.attributes.{name}.map gives names that no row has: {named}")
    decided = {int(key) for cells in counts.cells for key in np.unique(cells.keys["prediction"]) if key >= 0}
    positive = dict(counts.positive).get("prediction")
    if positive is not None and len(decided) == 1:
        which = "every" if decided == {1} else "no"
        found.append(
            f"{which} prediction is {positive!r}: all are decided alike, so no difference can be seen"
        )
    threshold = spec.data.threshold
    if threshold is not None and 0 < threshold < 1 and not tables.unit_scores:
        found.append(
            f"the threshold is {threshold:g}, and there are scores outside 0 to 1: is it of their scale?"
        )
    return found

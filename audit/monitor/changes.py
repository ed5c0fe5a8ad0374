"""How a group's rate changed since the audit: other people, or other treatment of the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.monitor.baseline import Outcome
from audit.monitor.decompose import Change, Counts, decompose
from audit.monitor.judge import Assessment
from audit.monitor.streams import Stream
from audit.result import Cell, Group


def changes(
    found: Sequence[Assessment],
    cells: Sequence[Cell],
    outcomes: Mapping[str, Sequence[Outcome]],
    attributes: Sequence[str],
) -> dict[str, Change]:
    """Of each stream in alarm, its group's change since the audit, by strata of the other attributes."""
    made = {}
    for one in found:
        stream = one.stream
        # The audit keeps scores by one attribute at a time: there are no strata to hold them together in.
        if one.alarm is None or stream.reads:
            continue
        cohort = outcomes["labels" if stream.needs_label else "predictions"]
        recent = [row for row in cohort if one.since is None or row[0] >= one.since]
        grouping = _finest(cells, stream.attribute)
        before = _strata_of_cells(cells, grouping, stream)
        others = [attributes.index(name) for name in grouping if name != stream.attribute]
        made[stream.id] = decompose(before, _strata_of_rows(recent, others, attributes, stream))
    return made


def _finest(cells: Sequence[Cell], attribute: str) -> tuple[str, ...]:
    return max(
        {cell.grouping for cell in cells if attribute in cell.grouping},
        key=lambda grouping: (len(grouping), grouping),
        default=(attribute,),
    )


def _strata_of_cells(cells: Sequence[Cell], grouping: tuple[str, ...], stream: Stream) -> Counts:
    place = grouping.index(stream.attribute)
    found: dict[Group, tuple[int, int]] = {}
    for cell in cells:
        if cell.grouping == grouping and cell.group[place] == stream.group:
            key = tuple(value for i, value in enumerate(cell.group) if i != place)
            _add(found, key, stream, (cell.label, cell.prediction), cell.n)
    return found


def _strata_of_rows(
    rows: Sequence[Outcome], others: Sequence[int], attributes: Sequence[str], stream: Stream
) -> Counts:
    place = attributes.index(stream.attribute)
    found: dict[Group, tuple[int, int]] = {}
    for _, group, _, label, yhat, n in rows:
        if group[place] == stream.group:
            _add(found, tuple(group[i] for i in others), stream, (label, yhat), n)
    return found


def _add(
    found: dict[Group, tuple[int, int]],
    key: Group,
    stream: Stream,
    kind: tuple[int | None, int | None],
    n: int,
) -> None:
    good, rows = found.get(key, (0, 0))
    found[key] = (good + n * (kind in stream.numerator), rows + n * (kind in stream.denominator))

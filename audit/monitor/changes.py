"""How a rate, or a gap of two, changed since the audit: other people, or other treatment of the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from audit.monitor.baseline import Outcome
from audit.monitor.decompose import Change, Counts, decompose, gap_change
from audit.monitor.judge import Assessment
from audit.monitor.streams import Stream
from audit.result import Cell, Group


def changes(
    found: Sequence[Assessment],
    cells: Sequence[Cell],
    outcomes: Mapping[str, Sequence[Outcome]],
    attributes: Sequence[str],
) -> dict[str, Change]:
    """Of each stream in alarm, its change since the audit, by strata of the other attributes.

    Of a difference from a reference it is the gap's change, of anything else the group's rate's.
    """
    made = {}
    for one in found:
        stream = one.stream
        # The audit keeps scores by one attribute at a time: there are no strata to hold them together in.
        if one.alarm is None or stream.reads:
            continue
        cohort = outcomes["labels" if stream.needs_label else "predictions"]
        recent = [row for row in cohort if one.since is None or row[0] >= one.since]
        mine = _before_and_after(cells, recent, attributes, stream, stream.own)
        if of_gap(stream):
            others = _before_and_after(cells, recent, attributes, stream, stream.other)
            made[stream.id] = gap_change(mine, others)
        else:
            made[stream.id] = decompose(*mine)
    return made


Side = Callable[[str | None], bool]
"""Whether the rows of a group's value are on a side of the comparison."""


def of_gap(stream: Stream) -> bool:
    """Whether a stream's change is that of a gap between two rates."""
    return stream.comparison == "difference" and stream.reference not in ("baseline", "bound")


def _before_and_after(
    cells: Sequence[Cell], rows: Sequence[Outcome], attributes: Sequence[str], stream: Stream, side: Side
) -> tuple[Counts, Counts]:
    grouping = _finest(cells, stream.attribute)
    others = [attributes.index(name) for name in grouping if name != stream.attribute]
    return (
        _strata_of_cells(cells, grouping, stream, side),
        _strata_of_rows(rows, others, attributes, stream, side),
    )


def _finest(cells: Sequence[Cell], attribute: str) -> tuple[str, ...]:
    return max(
        {cell.grouping for cell in cells if attribute in cell.grouping},
        key=lambda grouping: (len(grouping), grouping),
        default=(attribute,),
    )


def _strata_of_cells(cells: Sequence[Cell], grouping: tuple[str, ...], stream: Stream, side: Side) -> Counts:
    place = grouping.index(stream.attribute)
    found: dict[Group, tuple[int, int]] = {}
    for cell in cells:
        if cell.grouping == grouping and side(cell.group[place]):
            key = tuple(value for i, value in enumerate(cell.group) if i != place)
            _add(found, key, stream, (cell.label, cell.prediction), cell.n)
    return found


def _strata_of_rows(
    rows: Sequence[Outcome], others: Sequence[int], attributes: Sequence[str], stream: Stream, side: Side
) -> Counts:
    place = attributes.index(stream.attribute)
    found: dict[Group, tuple[int, int]] = {}
    for _, group, _, label, yhat, n in rows:
        if side(group[place]):
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

"""From the audit's result to a plan of watching: the streams, what is not watched, and what a block is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.errors import UsageError
from audit.monitor.blocks import Choice, choose_unit
from audit.monitor.scores import reached
from audit.monitor.settings import Settings
from audit.monitor.streams import Stream
from audit.monitor.watched import from_result
from audit.result import AuditResult, Group, NotMeasured

Outcome = tuple[int, Group, str | None, int | None, int, int]
"""(window, group, model version, label, prediction, rows): what the ledger keeps of a closed window."""
Spread = tuple[int, Group, int, int]
"""(window, group, packed score, rows): what it keeps of the window's scores."""


@dataclass(frozen=True, slots=True)
class History:
    """The closed windows of a time in which all was as audited."""

    outcomes: Sequence[Outcome] = ()
    spreads: Sequence[Spread] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is watched, and how; settled before the first live row and printed."""

    streams: tuple[Stream, ...]
    not_watched: tuple[NotMeasured, ...]
    choices: tuple[tuple[str, Choice], ...]
    """Stream id and what its blocks are, with the reason."""


def plan(result: AuditResult, settings: Settings, history: History | None = None) -> Plan:
    """The plan for a result; `history` is of a time in which all was as audited.

    The rows of `history` must not be those on which the model or its threshold was chosen. With
    `blocks: auto` each stream's block is settled on it; without it rows are counted one by one,
    and the plan says that this was not checked.
    """
    missing = [a.name for a in result.data.attributes if a.name not in settings.attributes]
    if missing:
        raise UsageError(
            f"the audit has the attribute {missing[0]!r}, the events have not",
            hint="Watch with the spec that the audit was run with.",
        )
    streams, skipped = from_result(
        result,
        tolerance=settings.tolerance,
        level=settings.false_alarms,
        scores=settings.scores,
        no_scores=settings.no_scores,
    )
    past = history or History()
    choices = []
    for stream in streams:
        if settings.blocks == "auto":
            choices.append((stream.id, choose_unit(_windows(stream, past, settings.attributes))))
        else:
            choices.append(
                (stream.id, Choice(settings.blocks, None, f"blocks: {settings.blocks}, as the spec says"))
            )
    chosen = tuple(replace(s, unit=choice.unit) for s, (_, choice) in zip(streams, choices, strict=True))
    return Plan(chosen, skipped, tuple(choices))


def _windows(stream: Stream, past: History, attributes: Sequence[str]) -> np.ndarray:
    if stream.reads:
        return score_table(stream, past.spreads, attributes)
    return window_table(stream, past.outcomes, attributes)


def score_table(stream: Stream, spreads: Sequence[Spread], attributes: Sequence[str]) -> np.ndarray:
    """As `window_table`, of the middle one of the cuts that the stream reads."""
    read = stream.reads[len(stream.reads) // 2]
    rows = [
        (window, group, None, None, int(reached(score, read)), n)
        for window, group, score, n in spreads
        if score >= 0
    ]
    plain = replace(stream, numerator=frozenset({(None, 1)}), denominator=frozenset({(None, 0), (None, 1)}))
    return window_table(plain, rows, attributes)


def window_table(stream: Stream, history: Sequence[Outcome], attributes: Sequence[str]) -> np.ndarray:
    """Favourable and all rows of the stream's group, then of its reference, by window: (windows, 4 or 2)."""
    place = attributes.index(stream.attribute)
    rate = stream.comparison == "rate"
    found: dict[int, list[int]] = {}
    for window, group, _, label, yhat, n in history:
        if (label, yhat) not in stream.denominator:
            continue
        value = group[place]
        if value == stream.group:
            side = 0
        elif not rate and stream.other(value):
            side = 2
        else:
            continue
        counts = found.setdefault(window, [0, 0] if rate else [0, 0, 0, 0])
        counts[side] += n * ((label, yhat) in stream.numerator)
        counts[side + 1] += n
    return np.array([found[window] for window in sorted(found)], float).reshape(-1, 2 if rate else 4)

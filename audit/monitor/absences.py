"""What is not there: a silent group, events that stopped, labels that dried up, a late evaluation.

"No data" never passes: each absence becomes an alarm. A silence counts only where at least
`EXPECTED` rows were due by the audit's shares (or by the windows before), so that a small group's
quiet day raises none: with ten due, chance alone gives none once in 20,000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from audit.monitor.alarms import Entry, opened
from audit.monitor.baseline import Outcome
from audit.result import Attribute, group_name

EXPECTED = 10
LATE_WINDOWS = 2
"""Windows after which a silence of everything, or an evaluation that was not made, is an alarm."""
DROUGHT = 0.5
"""Labels are in drought where the last cohort's coverage is under this share of that before."""


def plainly(window: int) -> str:
    """A window by its number; a caller that knows the calendar passes another name."""
    return f"window {window}"


def absent_groups(
    attributes: Sequence[Attribute],
    closed: Sequence[Outcome],
    *,
    at: int,
    say: Callable[[int], str] = plainly,
) -> list[Entry]:
    """Groups of the audit without a row since so many windows that at least ten were due.

    `closed` are the outcomes of the closed windows for predictions, whose groups have the parts of
    `attributes`, in order.
    """
    totals: dict[int, int] = {}
    for window, _, _, _, _, n in closed:
        totals[window] = totals.get(window, 0) + n
    entries = []
    for place, attribute in enumerate(attributes):
        seen: dict[str | None, int] = {}
        for window, group, _, _, _, _ in closed:
            seen[group[place]] = max(window, seen.get(group[place], window))
        audited = sum(attribute.rows)
        for value, rows in zip(attribute.values, attribute.rows, strict=True):
            last = seen.get(value)
            silent = [window for window in sorted(totals) if last is None or window > last]
            due = sum(totals[window] for window in silent) * rows / audited if audited else 0.0
            if silent and due >= EXPECTED:
                name = f"{attribute.name}={group_name((value,))}"
                words = f"{name}: no row since {say(silent[0])}, {due:.0f} were due by its share in the audit"
                entries.append(_entry("absent_group", name, words, silent[0], at))
    return entries


def stalled(
    last_window: int | None,
    due_window: int,
    *,
    source: str,
    at: int,
    say: Callable[[int], str] = plainly,
) -> list[Entry]:
    """No event at all in the last windows; `last_window` is the last that holds one."""
    if last_window is not None and due_window - last_window < LATE_WINDOWS:
        return []
    first = due_window if last_window is None else last_window + 1
    return [_entry("stalled_events", source, f"{source}: no events since {say(first)}", first, at)]


def late_evaluation(
    last_closed: int | None, due_window: int, *, at: int, say: Callable[[int], str] = plainly
) -> list[Entry]:
    """The windows that were due are not closed: nothing is being judged."""
    if last_closed is not None and due_window - last_closed < LATE_WINDOWS:
        return []
    first = due_window if last_closed is None else last_closed + 1
    return [_entry("stale_evaluation", "monitor", f"not evaluated since {say(first)}", first, at)]


def drought(closed: Sequence[Outcome], *, at: int, say: Callable[[int], str] = plainly) -> list[Entry]:
    """The last label cohort has much fewer labels than the ones before it had.

    `closed` are the outcomes of the closed windows for labels.
    """
    counts: dict[int, tuple[int, int]] = {}
    for window, _, _, label, _, n in closed:
        rows, labelled = counts.get(window, (0, 0))
        counts[window] = (rows + n, labelled + n * (label is not None))
    if len(counts) < 2:
        return []
    last = max(counts)
    rows, labelled = counts.pop(last)
    before = _share(counts)
    if rows * before < EXPECTED or labelled >= DROUGHT * before * rows:
        return []
    words = f"{say(last)}: labels for {labelled / rows:.0%} of the rows, before it for {before:.0%}"
    return [_entry("label_drought", "labels", words, last, at)]


def _share(counts: Mapping[int, tuple[int, int]]) -> float:
    rows = sum(n for n, _ in counts.values())
    return sum(labelled for _, labelled in counts.values()) / rows if rows else 0.0


def _entry(kind: str, subject: str, words: str, window: int, at: int) -> Entry:
    return opened(kind, subject, severity="major", words=words, window=window, at=at)

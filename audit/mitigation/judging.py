"""An action judged by a second audit: its effect, what it did to others, and the status that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ruamel.yaml.comments import CommentedMap

from audit.errors import UsageError
from audit.governance.register import Book, verification_problem
from audit.mitigation.compare import BundleComparison, Compared, Matched
from audit.mitigation.effects import Pairing, side_effects
from audit.mitigation.paired import Change
from audit.mitigation.trial_report import Side
from audit.mitigation.trial_report import Target as TrialTarget
from audit.result import AuditResult


@dataclass(frozen=True, slots=True)
class Judged:
    """What a second audit says of an action."""

    action: str
    effect: Compared
    sides: tuple[Side, ...]
    """On matched rows: every other group and gap, in points."""
    status: str
    """The status that the action has now."""
    why: str


def judge(
    book: Book,
    action_id: str,
    comparison: BundleComparison,
    matched: Matched | None,
    before: AuditResult,
    *,
    limit: float,
    by: str,
    on: date,
) -> Judged:
    """Measure an action's effect between two audits and move it to verified or ineffective.

    It is verified where the effect's interval excludes no improvement and no group is worse beyond
    the limit; else it is ineffective, and its harms are opened again. Only an implemented action is
    judged. Errors: UsageError where it has no target, or the target was not compared.
    """
    row = book.row(action_id)
    action = next(one for one in book.register.actions if one.id == str(row["id"]))
    if action.status != "implemented":
        raise UsageError(
            f"{action.id} is {action.status}; an implemented action is judged",
            hint=f"When it is done: `harm-audit harms move {action.id} implemented --by NAME`.",
        )
    target = row.get("target")
    if not isinstance(target, Mapping):
        raise UsageError(f"{action.id} names no target", where=action.where)
    found = comparison.row(
        str(target.get("metric")), str(target.get("comparison")), tuple(target.get("grouping") or ()),
        str(target.get("group")),
    )  # fmt: skip
    if found is None or found.change.value is None:
        why = "it is in one of the two audits alone" if found is None else found.change.why
        raise UsageError(f"the target of {action.id} cannot be compared: {why}", where=action.where)
    sides = _sides(found, matched, before, limit, comparison.confidence)
    book.set(action.id, **_measured(found, sides, comparison, limit))
    action = next(one for one in book.register.actions if one.id == action.id)
    problem = verification_problem(action)
    to = "verified" if problem is None else "ineffective"
    why = problem or "its effect's interval excludes no improvement, and no group is worse beyond the limit"
    book.move(action.id, to, by=by, on=on, note=f"{why}; {comparison.how}")
    return Judged(action.id, found, sides, to, why)


def _sides(
    found: Compared, matched: Matched | None, before: AuditResult, limit: float, confidence: float
) -> tuple[Side, ...]:
    if matched is None:
        return ()
    pairing = Pairing(matched.rows, before, None, limit, confidence)
    target = TrialTarget(
        found.rule, found.metric, found.comparison, found.grouping, found.group, found.reference, "",
        found.before, found.verdict_before,
    )  # fmt: skip
    return side_effects(pairing, target, matched.before, matched.after)


def _measured(
    found: Compared, sides: tuple[Side, ...], comparison: BundleComparison, limit: float
) -> dict[str, Any]:
    if sides:
        rows = [
            _side_row(f"{one.what} in {one.metric}", one.group, one.change, limit)
            for one in sides
            if one.verdict not in ("too few", "within") and one.change.value is not None
        ]
    else:
        rows = [
            _side_row(f"gap in {other.metric}", other.group, other.change, limit)
            for other in comparison.compared
            if other is not found and other.says == "worse" and len(other.grouping) == 1
        ]
    few = sum(one.verdict == "too few" for one in sides)
    said = f"{comparison.before[:12]} → {comparison.after[:12]}, {comparison.how}"
    if few:
        said += f"; {few} groups too small to judge"
    if not sides:
        said += "; without matched rows only a worsening that is shown counts as a side effect"
    return {"effect": _short(_interval(found.change)), "side_effects": rows, "result": said}


def _side_row(metric: str, group: str, change: Change, limit: float) -> CommentedMap:
    return CommentedMap({"metric": metric, "group": group, **_short({**_interval(change), "limit": limit})})


def _interval(change: Change) -> dict[str, Any]:
    return {"delta": change.value, "low": change.low, "high": change.high}


def _short(numbers: dict[str, Any]) -> dict[str, float]:
    return {key: round(float(value), 6) for key, value in numbers.items()}

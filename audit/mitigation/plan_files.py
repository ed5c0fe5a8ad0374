"""The plan as files that people and issue trackers take: Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re

from audit.mitigation.plan import Plan, PlanAction

COLUMNS = (
    "Id", "Title", "Type", "Status", "Owner", "Approver", "Due", "Harms", "Description", "Expected effect",
    "Measured effect", "Cost", "Legal note", "Monitor", "Labels",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&])")


def to_csv(plan: Plan) -> str:
    """One row an action, with the columns that issue trackers map; nothing in it is run as a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in plan.actions:
        writer.writerow([neutral(cell) for cell in _cells(one)])
    return out.getvalue()


def _cells(one: PlanAction) -> list[str]:
    body = [one.rationale or "", *(f"Evidence: {text}" for text in one.evidence)]
    body += [f"Side effect: {text}" for text in one.side_effects]
    title = one.description if len(one.description) <= 120 else one.description[:119] + "…"
    return [
        one.id, title, one.type, one.status + (" (overdue)" if one.overdue else ""), one.owner or "",
        one.approver or "", one.due or "", " ".join(one.harms),
        "\n".join([one.description, *(text for text in body if text)]), one.expected or "", measured(one),
        one.cost or "", one.legal_note or "", one.monitor or "", f"harm-audit {one.type}",
    ]  # fmt: skip


def neutral(text: str) -> str:
    """A cell that a spreadsheet shows and does not compute.

    >>> neutral("=1+1"), neutral("plain")
    ("'=1+1", 'plain')
    """
    clean = "".join(c for c in text if c in "\n\t" or ord(c) >= 32)
    return f"'{clean}" if clean.lstrip(" \n").startswith(_FORMULA) else clean


def measured(one: PlanAction) -> str:
    """The measured effect in words; empty before a second audit."""
    if one.delta is None or one.low is None or one.high is None:
        return ""
    return f"nearer to parity by {one.delta:.3f} ({one.low:.3f} to {one.high:.3f})"


def to_markdown(plan: Plan) -> str:
    """The plan as a page of Markdown, a section an action."""
    lines = [f"# Mitigation plan: {_safe(plan.system)}", ""]
    lines += [f"As of {plan.as_of}, from bundle `{plan.bundle[:12]}`. {len(plan.actions)} actions.", ""]
    if plan.without_action:
        lines += [
            "Open harms without an action:",
            "",
            *(f"- {_safe(one)}" for one in plan.without_action),
            "",
        ]
    if plan.unheard:
        lines += [
            "Not drawn on:",
            "",
            *(f"- {_safe(one.what)}: {_safe(one.why)}" for one in plan.unheard),
            "",
        ]
    for one in plan.actions:
        lines += [f"## {_safe(one.id)}: {_safe(one.description)}", ""]
        lines += [f"- **{name}**: {_safe(text)}" for name, text in fields(one) if text]
        lines.append("")
    lines.append("Not legal advice. What was measured holds for the groups and metrics examined.")
    return "\n".join(lines) + "\n"


def fields(one: PlanAction) -> tuple[tuple[str, str], ...]:
    """What a page prints of an action, name and words; empty where there is nothing."""
    return (
        ("Status", one.status + (", overdue" if one.overdue else "")),
        ("Type", one.type),
        ("Why", one.rationale or ""),
        ("Evidence", "; ".join(one.evidence)),
        ("Target", one.target or ""),
        ("Expected", one.expected or ""),
        ("Measured", measured(one)),
        ("On", one.result or ""),
        ("Side effects", "; ".join(one.side_effects)),
        ("Cost", one.cost or ""),
        ("Legal note", one.legal_note or ""),
        ("Owner", one.owner or "nobody yet"),
        ("Approver", one.approver or ""),
        ("Due", one.due or "no date"),
        ("Harms", ", ".join(one.harms)),
        ("Monitor", one.monitor or ""),
        ("Not chosen", "; ".join(one.alternatives_rejected)),
    )


def _safe(text: str) -> str:
    """One line in which nothing is markup."""
    return _MARK.sub(r"\\\1", " ".join(text.split()))

"""The job summary in Markdown: the verdict and its reasons first, then the worst findings, as many as fit."""

from __future__ import annotations

import re
from collections.abc import Iterable

from audit.gate import Decision
from audit.report.numbers import clean, decimals, figure, interval, name, rows
from audit.report.outcome import TEXT_LIMIT, Outcome, outcomes, worst_first
from audit.result import AuditResult, Finding, Group, Verdict

SIZE_LIMIT = 1_000_000
"""Bytes of a summary; GitHub refuses a step's summary above 1,024 KiB."""
LISTED = 20
"""Reasons, changes and things not measured that are listed one by one."""
HEADLINES = {
    Verdict.PASS: "Pass",
    Verdict.VIOLATION: "Violation",
    Verdict.INCONCLUSIVE: "Inconclusive",
}
COLUMNS = ("verdict", "rule", "group", "value", "interval", "bound", "rows", "more rows needed")

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_MARKED = re.compile(r"([\\`*_\[\]|~#$])")
_LINKS = (
    (re.compile(r"(?<=:)//"), "&#47;&#47;"),
    (re.compile(r"(?i)\b(www)\."), r"\1&#46;"),
)


def summary(result: AuditResult, decision: Decision, *, previous: AuditResult | None = None) -> str:
    """The summary; with `previous`, what changed since that audit. Same arguments, same text."""
    head = [*_head(result, decision), *_reasons(decision), *_changes(result, previous), *_rules(result)]
    tail = [*_not_said(result), *_foot(result)]
    room = SIZE_LIMIT - _size(head) - _size(tail)
    return "\n".join(_cut([*head, *_findings(result, decision, room), *tail])) + "\n"


def escape(text: str, limit: int | None = TEXT_LIMIT) -> str:
    """`text` as Markdown that shows it and does nothing else: no markup, link, mention or table cell.

    >>> print(escape("a|b <i> @all http://x"))
    a\\|b &lt;i&gt; &#64;all http:&#47;&#47;x
    """
    escaped = "".join(_ENTITIES.get(character, character) for character in clean(text, limit))
    # References come after the marks: their `#` is no mark.
    escaped = _MARKED.sub(r"\\\1", escaped.replace("&#64;", "\0")).replace("\0", "&#64;")
    for pattern, replacement in _LINKS:
        escaped = pattern.sub(replacement, escaped)
    return escaped


def _head(result: AuditResult, decision: Decision) -> list[str]:
    system, data = result.system, result.data
    named = " ".join(part for part in (system.name, system.version) if part)
    lines = [f"# {HEADLINES[decision.verdict]}: {escape(named)}", ""]
    if decision.verdict is Verdict.INCONCLUSIVE and decision.exit_code == 0:
        lines += ["The evidence decides nothing either way; the policy lets the gate open all the same.", ""]
    if decision.rests_on_waivers:
        lines += ["This verdict rests on waivers.", ""]
    excluded = data.rows_read - data.rows_audited
    facts = [
        f"{data.rows_audited:,} of {data.rows_read:,} rows audited ({excluded:,} excluded)",
        f"source {escape(data.source)}",
        f"made {escape(result.created_at)}",
        f"look {result.policy.look}" if result.policy.look is not None else "looks not counted",
        f"level {result.policy.alpha:.3g}",
    ]
    return [*lines, "; ".join(facts) + ".", ""]


def _reasons(decision: Decision) -> list[str]:
    lines = [
        f"- **{reason.verdict.value}** ({escape(reason.id)}): {escape(reason.text)} "
        f"*{escape(reason.next_step)}*"
        for reason in decision.reasons
    ]
    waived = [f"- {escape(text)}" for text in decision.waived]
    return [
        *_section("Why", _first(lines, "reasons")),
        *_section("Waived", _first(waived, "waived findings")),
    ]


def _rules(result: AuditResult) -> list[str]:
    severity = {rule.id: rule.severity for rule in result.policy.rules}
    table = [
        "| rule | severity | verdict | comparisons | violations | undecided | listed only |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    table += [
        f"| {escape(said.rule)} | {severity.get(said.rule, '')} | {said.verdict.value} "
        f"| {said.comparisons} | {said.violations} | {said.inconclusive} | {said.reported_only} |"
        for said in result.rules
    ]
    return _section("Rules", table if result.rules else ["The policy has no rules."])


def _findings(result: AuditResult, decision: Decision, room: int) -> list[str]:
    """The table of findings, worst first, as many as `room` bytes hold."""
    found = worst_first(outcomes(result, decision))
    if not found:
        return []
    table = [f"| {' | '.join(COLUMNS)} |", "| --- | --- | --- | ---: | --- | --- | ---: | ---: |"]
    room -= _size(table) + 500
    for position, outcome in enumerate(found):
        line = _row(outcome)
        room -= _size([line])
        if room < 0:
            table += ["", f"{len(found) - position:,} more findings, none of them worse, are in audit.json."]
            break
        table.append(line)
    return _section("Findings, worst first", table)


def _row(outcome: Outcome) -> str:
    finding = outcome.finding
    places = decimals(finding.low, finding.high)
    cells = [
        outcome.status.value,
        escape(outcome.judged),
        escape(outcome.against),
        "withheld" if outcome.hidden else figure(finding.value, places),
        "" if outcome.hidden else interval(finding.low, finding.high, places),
        escape(finding.bound),
        "" if outcome.hidden else rows(outcome.comparison.n),
        "" if finding.rows_needed is None or outcome.hidden else f"{finding.rows_needed:,}",
    ]
    return f"| {' | '.join(cells)} |"


Key = tuple[str, str, tuple[str, ...], Group, Group | None]


def _changes(result: AuditResult, previous: AuditResult | None) -> list[str]:
    if previous is None:
        return []
    before, now = _by_slice(previous.findings), _by_slice(result.findings)
    worse = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.VIOLATION]
    moved = [(key, before[key].verdict, now[key].verdict) for key in now if key in before]
    moved = sorted(
        (change for change in moved if change[1] is not change[2]),
        key=lambda change: worse.index(change[1]) - worse.index(change[2]),
    )
    gone = [key for key in before if key not in now]
    lines = [f"- {_slice(key)}: was {was.value}, is {verdict.value}." for key, was, verdict in moved]
    lines += [f"- {_slice(key)}: new, {now[key].verdict.value}." for key in now if key not in before]
    lines += [f"- {_slice(key)}: no longer compared, was {before[key].verdict.value}." for key in gone]
    changes = _first(lines, "changes") or ["- No finding changed its verdict."]
    since = f"Since the audit of {escape(previous.created_at)}"
    return _section(since, [*_whole(result, previous), *changes])


def _whole(result: AuditResult, previous: AuditResult) -> list[str]:
    """What changed in the audit as a whole."""
    lines = []
    if previous.verdict is not result.verdict:
        lines.append(f"- The evidence was {previous.verdict.value}, it is {result.verdict.value}.")
    if previous.policy.digest != result.policy.digest:
        lines.append("- The policy's file is another; a change below may be its doing.")
    if previous.data.digest is not None and previous.data.digest == result.data.digest:
        lines.append("- The data is the same.")
    return lines


def _by_slice(findings: Iterable[Finding]) -> dict[Key, Finding]:
    return {(f.rule, f.metric, f.grouping, f.group, f.stratum): f for f in findings}


def _slice(key: Key) -> str:
    rule, metric, grouping, group, stratum = key
    inside = "" if stratum is None else f" in {name(stratum)}"
    return escape(f"{rule}, {metric.replace('_', ' ')}, {' × '.join(grouping)} = {name(group)}{inside}")


def _not_said(result: AuditResult) -> list[str]:
    lines = [f"- Not measured: {escape(gap.what)}: {escape(gap.why)}" for gap in result.not_measured]
    lines += [f"- {said.rows:,} rows were excluded: {escape(said.reason)}" for said in result.data.excluded]
    lines += [f"- {escape(text)}" for text in result.data.warnings]
    return _section("What this audit does not say", _first(lines, "gaps"))


def _foot(result: AuditResult) -> list[str]:
    digests = [f"data {result.data.digest[:12]}"] if result.data.digest else []
    digests += [f"policy {result.policy.digest[:12]}"] if result.policy.digest else []
    digests += [f"model {result.system.model.sha256[:12]}"] if result.system.model else []
    scope = "Verdicts hold for the groups and metrics examined, at the stated level."
    return [f"{scope} harm-audit {escape(result.tool_version)}{'; ' if digests else ''}{', '.join(digests)}."]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _first(lines: list[str], what: str) -> list[str]:
    more = len(lines) - LISTED
    return [*lines[:LISTED], f"- And {more:,} more {what}."] if more > 0 else lines


def _size(lines: list[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)


def _cut(lines: list[str]) -> list[str]:
    """As many whole lines as the limit holds: thousands of rules could fill it before any finding."""
    kept: list[str] = []
    room = SIZE_LIMIT - 100
    for line in lines:
        room -= _size([line])
        if room < 0:
            return [*kept, "", "The rest is in audit.json."]
        kept.append(line)
    return kept

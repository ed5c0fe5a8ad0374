"""Under what names a bundle's figures and facts stand in a run: the same from version to version."""

from __future__ import annotations

import hashlib
import string

from audit.report.suppress import withheld
from audit.result import AuditResult, Verdict, group_name

PREFIX = "harm_audit"
LONGEST = 250
"""Characters that a tracking server takes in a metric's name."""
_PLAIN = frozenset(string.ascii_letters + string.digits + "_- ")


def slug(text: str) -> str:
    """`text` in the characters that a metric's name may hold; each other byte as `:` and two hex digits.

    >>> slug("65+"), slug("a/b"), slug("é")
    ('65:2b', 'a:2fb', ':c3:a9')
    """
    return "".join(
        letter if letter in _PLAIN else "".join(f":{byte:02x}" for byte in letter.encode("utf-8", "replace"))
        for letter in text
    )


def metric_name(*parts: str) -> str:
    """The parts as slugs below `harm_audit/`; a name that is too long ends in a digest of itself.

    >>> metric_name("selection_rate", "sex", "Female")
    'harm_audit/selection_rate/sex/Female'
    """
    name = "/".join([PREFIX, *map(slug, parts)])
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def metrics_of(result: AuditResult) -> dict[str, float]:
    """Counts of rules and rows, and each defined estimate with its interval; withheld groups stay out.

    An undefined figure has no metric: a run's chart then shows a gap, and never 0.
    """
    verdicts = [rule.verdict for rule in result.rules]
    named = {
        metric_name("rows_audited"): float(result.data.rows_audited),
        metric_name("rules"): float(len(verdicts)),
        **{metric_name(f"rules_{verdict.value}"): float(verdicts.count(verdict)) for verdict in Verdict},
    }
    hidden = withheld(result)
    for e in result.estimates:
        if e.value is None or hidden.group(e.grouping, e.group):
            continue
        place = (" x ".join(e.grouping), group_name(e.group)) if e.grouping else ("everyone",)
        for suffix, value in (("", e.value), ("low", e.low), ("high", e.high)):
            if value is not None:
                named[metric_name(e.metric, *place, *([suffix] if suffix else []))] = value
    return named


def tags_of(result: AuditResult) -> dict[str, str]:
    """What was audited, by which policy, and what the evidence says; absent facts have no tag."""
    system, model = result.system, result.system.model
    facts = {
        "verdict": result.verdict.value,
        "system": system.name,
        "version": system.version,
        "model_sha256": model.sha256 if model else None,
        "policy_sha256": result.policy.digest,
        "created_at": result.created_at,
        "tool_version": result.tool_version,
    }
    return {f"{PREFIX}.{name}": value[:5000] for name, value in facts.items() if value}

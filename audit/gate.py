"""The decision to ship: a pure function of a result, the day, and what the result is held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from audit.engine.findings import DECIDING, Judged, foremost, judge, look_alpha
from audit.engine.wording import subject
from audit.errors import UsageError
from audit.result import SCHEMA_VERSION, AuditResult, Finding, Rule, Verdict, Waiver

EXIT_CODES = {Verdict.PASS: 0, Verdict.VIOLATION: 1, Verdict.INCONCLUSIVE: 3}
ON_INCONCLUSIVE = ("fail", "warn", "pass")
EVIDENCE_KINDS = ("mismatch", "stale", "governance")
"""Reasons that the evidence is not of this model, policy or day, or that people still owe an answer or a
signature: no setting waves them through."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that kept the decision from a pass, and what to do about it."""

    kind: str
    """rule, mismatch, stale or governance."""
    id: str
    text: str
    next_step: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says: the verdict, the exit code (0 pass, 1 violation, 3 inconclusive) and why."""

    verdict: Verdict
    exit_code: int
    reasons: tuple[Reason, ...]
    waived: tuple[str, ...]
    """The findings that a waiver in force holds back, in words."""
    rests_on_waivers: bool
    """True where the verdict would be worse without them."""


def decide(
    result: AuditResult,
    *,
    on_inconclusive: str | None = None,
    no_waivers: bool = False,
    today: date,
    spec_digest: str | None = None,
    model_sha256: str | None = None,
    max_age_days: int | None = None,
    extra: tuple[Reason, ...] = (),
) -> Decision:
    """Decide from the evidence in `result`, judged anew from its p values.

    `today` decides which waivers are in force and how old the result is. A policy or model digest
    that differs from the result's, a named model that is not given, a result too old or of a later day,
    or one that disagrees with its own evidence make it inconclusive, whatever `on_inconclusive` says;
    that option (fail, warn, pass; by default the policy's) is for rules alone, and opens nothing where
    no rule decides. `extra` are reasons found elsewhere, as by governance.
    """
    policy_says = on_inconclusive if on_inconclusive is not None else result.policy.on_inconclusive
    if policy_says not in ON_INCONCLUSIVE:
        allowed = ", ".join(ON_INCONCLUSIVE)
        raise UsageError(f"on-inconclusive is {policy_says!r}", hint=f"Allowed: {allowed}.")
    broken, findings, verdict_by_rule = _rejudge(result)
    evidence = [
        *broken,
        *_binding(result, spec_digest, model_sha256),
        *_age(result, today, max_age_days),
        *extra,
    ]
    judged: dict[str, list[Judged]] = {rule.id: [] for rule in result.policy.rules}
    for finding, comparison in zip(findings, result.comparisons, strict=False):
        judged[finding.rule].append((finding, comparison))
    waived: list[str] = []
    without, within = [], []
    for rule in result.policy.rules:
        if rule.severity not in DECIDING or rule.id not in verdict_by_rule:
            continue
        plain, own = verdict_by_rule[rule.id], judged[rule.id]
        verdict, held, left = (plain, [], own) if no_waivers else _after_waivers(rule, own, plain, today)
        waived += held
        without.append(plain)
        within.append(verdict)
        if verdict is not Verdict.PASS:
            evidence.append(_rule_reason(rule, left, verdict))
    if not without and not broken:
        evidence.append(_no_rules())
    reasons = tuple(sorted(evidence, key=lambda reason: reason.verdict is not Verdict.VIOLATION))
    verdict = Verdict.worst([*within, *(reason.verdict for reason in reasons)])
    bare = Verdict.worst([*without, *(reason.verdict for reason in reasons if reason.kind != "rule")])
    return Decision(
        verdict=verdict,
        exit_code=_exit_code(verdict, reasons, policy_says if without else "fail"),
        reasons=reasons,
        waived=tuple(waived),
        rests_on_waivers=bool(waived) and bare is not verdict,
    )


def _exit_code(verdict: Verdict, reasons: Sequence[Reason], on_inconclusive: str) -> int:
    excused = verdict is Verdict.INCONCLUSIVE and on_inconclusive != "fail"
    if excused and not any(reason.kind in EVIDENCE_KINDS for reason in reasons):
        return 0
    return EXIT_CODES[verdict]


def _rejudge(result: AuditResult) -> tuple[list[Reason], tuple[Finding, ...], dict[str, Verdict]]:
    """Findings and verdicts anew from the comparisons, and what the document says otherwise."""
    said = _self_consistency(result)
    try:
        findings, rules, verdict = judge(result.comparisons, result.policy)
    except ValueError as error:
        return [*said, _mismatch("evidence", f"The result cannot be judged: {error}.")], (), {}
    if [_verdict_of(f) for f in findings] != [_verdict_of(f) for f in result.findings]:
        said.append(_mismatch("findings", "The findings do not follow from the comparisons beside them."))
    anew = {rule.rule: rule.verdict for rule in rules}
    for stated in result.rules:
        if anew.get(stated.rule) is not stated.verdict:
            found = anew[stated.rule].value if stated.rule in anew else "no such rule"
            said.append(
                _mismatch(
                    stated.rule,
                    f"Rule {stated.rule} is said to be {stated.verdict.value}; its evidence gives {found}.",
                )
            )
    if len(result.rules) != len(anew):
        said.append(_mismatch("rules", "The result lacks a verdict on some of its policy's rules."))
    if verdict is not result.verdict:
        said.append(
            _mismatch(
                "verdict",
                f"The result says {result.verdict.value}; its evidence gives {verdict.value}.",
            )
        )
    return said, findings, anew


def _verdict_of(finding: Finding) -> tuple[object, ...]:
    return (finding.rule, finding.metric, finding.grouping, finding.group, finding.stratum, finding.verdict)


def _self_consistency(result: AuditResult) -> list[Reason]:
    said = []
    if result.schema_version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        said.append(
            _mismatch(
                "schema",
                f"The result is of schema version {result.schema_version}; "
                f"this program reads {SCHEMA_VERSION}.",
            )
        )
    policy = result.policy
    expected = look_alpha(1 - policy.confidence, policy.look)
    if not math.isclose(policy.alpha, expected, rel_tol=1e-6):
        said.append(
            _mismatch(
                "alpha",
                f"Judged at level {policy.alpha:g}; confidence {policy.confidence:g} "
                f"{'with looks not counted' if policy.look is None else f'at look {policy.look}'} "
                f"asks for {expected:g}.",
            )
        )
    return said


def _mismatch(name: str, text: str) -> Reason:
    step = "Make the bundle anew with `harm-audit run`."
    return Reason("mismatch", name, text, step, Verdict.INCONCLUSIVE)


def _binding(result: AuditResult, spec_digest: str | None, model_sha256: str | None) -> list[Reason]:
    said = []
    if spec_digest is not None and spec_digest != result.policy.digest:
        judged = result.policy.digest
        under = f"the policy {judged[:12]}" if judged else "a policy that came from no file"
        said.append(
            _mismatch("policy", f"The result was judged under {under}, not under {spec_digest[:12]}.")
        )
    model = result.system.model
    if model is not None and model_sha256 is None:
        step = f"Give the model that is to ship: `--model {model.path}`."
        text = f"The result is of the model {model.sha256[:12]}; no model was given to compare."
        said.append(Reason("mismatch", "model", text, step, Verdict.INCONCLUSIVE))
    elif model is None and model_sha256 is not None:
        said.append(
            Reason(
                "mismatch",
                "model",
                f"A model was given ({model_sha256[:12]}); the result names none.",
                "Name the model's file as `system: model:` in the spec and run the audit again.",
                Verdict.INCONCLUSIVE,
            )
        )
    elif model is not None and model_sha256 is not None and model.sha256 != model_sha256.lower():
        text = f"The result is of the model {model.sha256[:12]}, not of the given {model_sha256[:12]}."
        said.append(_mismatch("model", text))
    return said


def _age(result: AuditResult, today: date, max_age_days: int | None) -> list[Reason]:
    step = "Run the audit again on present data."
    try:
        made = date.fromisoformat(result.created_at[:10])
    except ValueError:
        if max_age_days is None:
            return []
        text = f"The result's date, {result.created_at[:30]!r}, cannot be read."
        return [Reason("stale", "age", text, step, Verdict.INCONCLUSIVE)]
    if made > today + timedelta(days=1):
        text = f"The result is dated {made}, after {today}."
        return [Reason("stale", "age", text, step, Verdict.INCONCLUSIVE)]
    if max_age_days is None:
        return []
    days = (today - made).days
    if days <= max_age_days:
        return []
    text = f"The result is {days} days old; at most {max_age_days} are allowed."
    return [Reason("stale", "age", text, step, Verdict.INCONCLUSIVE)]


def in_force(waiver: Waiver | None, today: date) -> bool:
    """Whether a waiver counts on that day; its last day is `expires`, a date that cannot be read is past."""
    if waiver is None:
        return False
    try:
        return today <= date.fromisoformat(waiver.expires)
    except ValueError:
        return False


def _after_waivers(
    rule: Rule, judged: Sequence[Judged], plain: Verdict, today: date
) -> tuple[Verdict, list[str], list[Judged]]:
    """The rule's verdict without what a waiver in force covers, that in words, and what is left."""
    if plain is Verdict.PASS:
        return plain, [], list(judged)
    words = [words_of_waived(finding) for finding, _ in judged if in_force(finding.waived, today)]
    whole = next((w for w in rule.waivers if not w.groups and in_force(w, today)), None)
    if whole is not None:
        return Verdict.PASS, words or [f"{rule.id}: {_waiver_words(whole)}"], []
    if not words:
        return plain, [], list(judged)
    left = [(finding, c) for finding, c in judged if not in_force(finding.waived, today)]
    counting = [f.verdict for f, c in left if not c.reported_only or f.verdict is Verdict.VIOLATION]
    if not counting and all(c.reported_only for _, c in judged):
        return Verdict.INCONCLUSIVE, words, left
    return Verdict.worst(counting) if counting else Verdict.PASS, words, left


def words_of_waived(finding: Finding) -> str:
    """A waived finding in the words of `Decision.waived`; empty where it has no waiver."""
    if finding.waived is None:
        return ""
    metric = finding.metric.replace("_", " ")
    return f"{finding.rule}: {metric}, {subject(finding)}, {_waiver_words(finding.waived)}"


def _waiver_words(waiver: Waiver) -> str:
    return f"waived by {waiver.approver} until {waiver.expires} ({waiver.reason})"


def _rule_reason(rule: Rule, left: Sequence[Judged], verdict: Verdict) -> Reason:
    decisive = verdict is Verdict.VIOLATION
    own = [(f, c) for f, c in left if f.verdict is verdict and (decisive or not c.reported_only)]
    if not own:
        text = f"Rule {rule.id} made no comparison that counts."
        return Reason("rule", rule.id, text, "See what was not measured, and why, in the report.", verdict)
    first, _ = foremost(own, rule)
    more = f" And {len(own) - 1} more under this rule." if len(own) > 1 else ""
    lapsed = f" A waiver by {first.waived.approver} ran to {first.waived.expires}." if first.waived else ""
    return Reason("rule", rule.id, f"{first.why}{more}{lapsed}", _next_step(rule, first, verdict), verdict)


def _next_step(rule: Rule, finding: Finding, verdict: Verdict) -> str:
    if verdict is Verdict.VIOLATION:
        who = f"{rule.owner}: " if rule.owner else ""
        return f"{who}mend it (the report has the groups), or have a named person waive it until a date."
    if finding.rows_needed:
        return f"Audit about {finding.rows_needed:,} more rows; that is a second look at the data."
    return "See in the report what is missing for this group."


def _no_rules() -> Reason:
    return Reason(
        "rule",
        "policy",
        "The policy has no rules that decide, so there is nothing to pass.",
        "Add a rule of severity major or blocker under `policy: rules:`.",
        Verdict.INCONCLUSIVE,
    )

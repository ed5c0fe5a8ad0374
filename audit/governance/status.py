"""What an item's answer is worth on a day: the statuses, and the rules from which they follow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from audit.governance import applies, people
from audit.governance.answers import Answer
from audit.governance.checklist import Checklist, Item
from audit.governance.checks import CHECKS
from audit.governance.evidence import MISSING, NO, UNCLEAR, WAIVED, YES, Evidence, from_findings
from audit.governance.situation import Situation

STATUSES = (
    "not_started",
    "not_applicable",
    "not_evidenced",
    "inconclusive",
    "not_satisfied",
    "satisfied",
    "satisfied_with_waiver",
    "stale",
)
FINE = ("satisfied", "satisfied_with_waiver", "not_applicable")


@dataclass(frozen=True, slots=True)
class Assessed:
    """An item's status, where it comes from (derived, attested or mixed), and why."""

    item: Item
    status: str
    source: str
    why: str
    next_step: str
    blocker: bool
    """Whether it blocks while it is open, conditions on severity included."""
    fault: str | None = None
    """na_refused or waiver_expired, where a rule of approval was broken rather than evidence lacking."""
    evidence: Evidence | None = None
    answer: Answer | None = None

    @property
    def words(self) -> str:
        """The status in words, with where it comes from once there is anything."""
        said = self.status.replace("_", " ")
        return said if self.status == "not_started" else f"{said} ({self.source})"

    @property
    def open(self) -> bool:
        """True where it is neither satisfied nor out of scope."""
        return self.status not in FINE


def assess(item: Item, of: Checklist, answer: Answer | None, situation: Situation, project: Path) -> Assessed:
    """The status of one item.

    What does not apply is out, first by its condition, then by an approved reason. What ran out or is
    bound to other digests is stale. Derived evidence that fails, is unclear or missing cannot be talked
    away; a question for judgment needs a named person's yes; both are needed where both are asked.
    A waiver in force, approved by somebody else, covers what is left.
    """
    build = _Build(item, situation, answer)
    if in_scope(of.applies_if, situation) is False or in_scope(item.applies_if, situation) is False:
        condition = item.applies_if or of.applies_if
        return build("not_applicable", "derived", f"does not apply here: {condition}", "")
    if answer is not None and answer.na is not None:
        return _not_applicable(build, answer, situation, project)
    evidence = derive(item, situation)
    plain = _plain(build, item, answer, evidence, situation, project)
    if not plain.open or answer is None or answer.waiver is None:
        return plain
    return _waived(build, plain, answer, situation.as_of)


def in_scope(condition: str | None, situation: Situation) -> bool | None:
    """Whether a condition holds; None where what is known does not settle it, which counts as yes."""
    return True if condition is None else applies.evaluate(condition, situation.names())


def derive(item: Item, situation: Situation) -> Evidence | None:
    """What the result and the project's files say to an item; None where it is for people alone."""
    if item.auto is None:
        return None
    if item.auto.check is not None:
        return CHECKS[item.auto.check](situation)
    return from_findings(item.auto.metrics, item.auto.comparison, situation)


class _Build:
    def __init__(self, item: Item, situation: Situation, answer: Answer | None) -> None:
        self.item = item
        self.answer = answer
        raised = item.blocker_if is not None and in_scope(item.blocker_if, situation) is not False
        self.blocker = item.severity == "blocker" or raised

    def __call__(
        self,
        status: str,
        source: str,
        why: str,
        next_step: str,
        *,
        fault: str | None = None,
        evidence: Evidence | None = None,
    ) -> Assessed:
        return Assessed(self.item, status, source, why, next_step, self.blocker, fault, evidence, self.answer)


def _not_applicable(build: _Build, answer: Answer, situation: Situation, project: Path) -> Assessed:
    approver = answer.na.approved_by if answer.na else None
    who = answer.owner or answer.answered_by
    if approver is None or people.same(approver, who) or people.same(approver, answer.answered_by):
        why = (
            "called not applicable, and nobody else approved it"
            if approver is None
            else (f"called not applicable and approved by {approver}, who answers for it")
        )
        step = "Have somebody who is not its owner approve it, or answer the question."
        return build("not_evidenced", "attested", why, step, fault="na_refused")
    old = _stale(build.item, answer, situation, project)
    if old is not None:
        step = f"Look again whether it applies: `harm-audit checklist answer {build.item.id}`."
        return build("stale", "attested", f"called not applicable, but {old}", step)
    reason = answer.na.reason if answer.na else ""
    return build("not_applicable", "attested", f"{reason} (approved by {approver})", "")


def _plain(
    build: _Build,
    item: Item,
    answer: Answer | None,
    evidence: Evidence | None,
    situation: Situation,
    project: Path,
) -> Assessed:
    judged = item.classification != "automatable"
    source = "derived" if not judged else "attested" if evidence is None else "mixed"
    if evidence is not None and evidence.says == NO:
        return build("not_satisfied", "derived", evidence.words, _mend(item), evidence=evidence)
    if answer is not None and judged and answer.answer in ("no", "partly"):
        why = f"answered {answer.answer} by {answer.answered_by or 'nobody named'}"
        return build("not_satisfied", "attested", why, _mend(item), evidence=evidence)
    old = _stale(item, answer, situation, project) if answer is not None and answer.begun else None
    if old is not None and judged:
        return build(
            "stale", source, old, f"Look again: `harm-audit checklist answer {item.id}`.", evidence=evidence
        )
    if evidence is not None and evidence.says == UNCLEAR:
        step = "See in the report how many rows would decide it."
        return build("inconclusive", "derived", evidence.words, step, evidence=evidence)
    if evidence is not None and evidence.says == MISSING:
        return build("not_evidenced", "derived", evidence.words, _supply(item), evidence=evidence)
    gap = _judgment_gap(item, answer) if judged else None
    if gap is not None:
        status = "not_started" if answer is None or not answer.begun else "not_evidenced"
        step = f"`harm-audit checklist answer {item.id}`."
        return build(status, source, gap, step, evidence=evidence)
    words = [evidence.words] if evidence is not None else []
    if judged and answer is not None:
        words.append(f"yes, says {answer.answered_by}")
    status = "satisfied_with_waiver" if evidence is not None and evidence.says == WAIVED else "satisfied"
    assert evidence is None or evidence.says in (YES, WAIVED)
    return build(status, source, "; ".join(words), "", evidence=evidence)


def _judgment_gap(item: Item, answer: Answer | None) -> str | None:
    """What keeps a person's yes from counting; None where nothing does."""
    if answer is None or answer.answer is None:
        return "not answered yet"
    if answer.answered_by is None:
        return "answered, and nobody has put a name to it"
    if "document" in item.evidence and not answer.evidence:
        return f"answered by {answer.answered_by}, and no document is named"
    if item.reviewer_not:
        if answer.reviewer is None:
            return "it asks for a reviewer who had no part in it, and none is named"
        if people.same(answer.reviewer, answer.owner) or people.same(answer.reviewer, answer.answered_by):
            return f"the reviewer, {answer.reviewer}, is the one who answers for it"
    return None


def _stale(item: Item, answer: Answer, situation: Situation, project: Path) -> str | None:
    """Why an answer no longer holds; None where it does."""
    day = situation.as_of
    if answer.answered_at is None:
        return "it has no date"
    if answer.answered_at > day:
        return f"it is dated {answer.answered_at}, after {day}"
    until = answer.expires_at or answer.answered_at + timedelta(days=item.max_age_days)
    until = min(until, answer.answered_at + timedelta(days=item.max_age_days))
    if day > until:
        return f"given on {answer.answered_at}, it held to {until}"
    if item.version > answer.item_version:
        return f"the question is now version {item.version}; the answer is to version {answer.item_version}"
    current = situation.hashes()
    for name in item.on_change:
        bound = answer.bound.get(name)
        if bound is not None and situation.result is not None and current[name] != bound:
            return f"it was given for another {name} ({bound[:12]})"
    for cite in item.references:
        ended = situation.registry.get(cite).ended
        if ended is not None and answer.answered_at < ended <= day:
            return f"{cite}, which it rests on, ended on {ended}"
    return _changed_document(answer, project)


def _changed_document(answer: Answer, project: Path) -> str | None:
    for document in answer.evidence:
        if document.sha256 is None:
            continue
        try:
            digest = hashlib.sha256((project / document.path).read_bytes()).hexdigest()
        except OSError:
            return f"the document {document.path} is gone"
        if digest != document.sha256:
            return f"the document {document.path} was changed since"
    return None


def _waived(build: _Build, plain: Assessed, answer: Answer, day: date) -> Assessed:
    waiver = answer.waiver
    assert waiver is not None
    who = answer.owner or answer.answered_by
    if waiver.approved_by is None or people.same(waiver.approved_by, who):
        why = f"{plain.why}; its waiver is approved by nobody but its owner"
        step = "Have somebody who is not its owner approve the waiver."
        return build(plain.status, plain.source, why, step, fault="waiver_expired", evidence=plain.evidence)
    if waiver.until < day:
        why = f"{plain.why}; a waiver by {waiver.approved_by} ran out on {waiver.until}"
        return build(
            plain.status,
            plain.source,
            why,
            _mend(plain.item),
            fault="waiver_expired",
            evidence=plain.evidence,
        )
    why = f"waived by {waiver.approved_by} until {waiver.until} ({waiver.reason}); otherwise: {plain.why}"
    return build("satisfied_with_waiver", "attested", why, "", evidence=plain.evidence)


_IF_NO = {
    "revise": "Change the system or the way it is used",
    "document_and_contain": "Write down what is so, and contain what it can do",
    "stop": "Do not go on before this is mended",
}


def _mend(item: Item) -> str:
    return f"{_IF_NO[item.if_no]}, then audit or answer again."


def _supply(item: Item) -> str:
    auto = item.auto
    if auto is not None and auto.metrics:
        return f"Add a rule on {auto.metrics[0]} to the policy and run the audit again, or have it waived."
    if "config" in item.evidence:
        return "Fill in the project's governance files, or have it waived."
    return "Run the audit with what it needs, or have it waived."

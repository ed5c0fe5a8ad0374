"""What the pytest plugin does once it is used: a policy's rules as tests, decided as the gate decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import audit
from audit import bundle, codec, gate
from audit.errors import AuditError, UsageError
from audit.gate import EVIDENCE_KINDS, ON_INCONCLUSIVE, Decision, Reason
from audit.governance import readiness, stages
from audit.governance.stages import STAGES
from audit.registry import nearest
from audit.result import AuditResult, Verdict
from audit.spec import load, resolve_rules

if TYPE_CHECKING:
    from audit import Audit

GATE = "(gate)"
"""The item of the whole decision, beside those of the rules."""
_TAKES = ("spec", "on_inconclusive", "stage")
_done = pytest.StashKey["dict[Path, Audit | AuditError]"]()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule, or the whole decision, stands at the gate."""

    rule: str
    verdict: Verdict
    handled: str
    """fail, warn or pass: what an inconclusive verdict does here."""
    text: str
    """Why it is no pass and what to do, or what is only reported; empty for a plain pass."""
    audit: Audit

    @property
    def opens(self) -> bool:
        """Whether the gate would open for it."""
        undecided = self.verdict is Verdict.INCONCLUSIVE
        return self.verdict is Verdict.PASS or (undecided and self.handled != "fail")


def rules_of(node: pytest.Item, marker: pytest.Mark) -> list[str]:
    """The ids of the marker's policy file and `(gate)`; a collection error says what is wrong there."""
    try:
        return [*(rule.id for rule in resolve_rules(load(_said(node, marker).path))), GATE]
    except AuditError as error:
        raise pytest.Collector.CollectError(str(error)) from error


def standing_of(item: pytest.Item, rule: str) -> Standing:
    """How the rule of a marked item stands; a policy file is audited once a session (and xdist worker)."""
    marker = item.get_closest_marker("audit")
    assert marker is not None
    with _plainly():
        said = _said(item, marker)
        done = _audited(item, said.path)
        if rule != GATE:
            return _standing(done, rule, said.on_inconclusive)
        return _standing(done, None, said.on_inconclusive, _governance(said, done))


class Fairness:
    """Asserts rules of a policy in the body of a test; what it finds is in the test's report."""

    def __init__(self, item: pytest.Item, note: Callable[[pytest.Item, Standing], None]) -> None:
        self._item = item
        self._note = note

    def assert_rule(
        self,
        rule: str | Mapping[str, Any],
        frame: Any = None,
        *,
        spec: str | Path | None = None,
        on_inconclusive: str | None = None,
        **columns: Any,
    ) -> Audit:
        """Fail unless the evidence lets the rule pass; give the audit back.

        Without `spec`, `rule` is as in the policy file (a mapping, or the name of one that fixes its bound,
        as four_fifths) and `columns` are those of `audit.audit`: sensitive, prediction, label and so on.
        With `spec`, `rule` is the id of a rule in that policy file; `frame`, where given, stands in for its
        source. An inconclusive verdict fails, or with `on_inconclusive` warn the test ends as skipped, with
        pass as passed; both are counted as inconclusive. A violation raises AssertionError.
        """
        __tracebackhide__ = True
        with _plainly():
            standing = self._stands(rule, frame, spec, on_inconclusive, columns)
        self._note(self._item, standing)
        if not standing.opens:
            raise AssertionError(standing.text)
        return standing.audit

    def _stands(
        self,
        rule: str | Mapping[str, Any],
        frame: Any,
        spec: str | Path | None,
        on_inconclusive: str | None,
        columns: Mapping[str, Any],
    ) -> Standing:
        if spec is None:
            if frame is None:
                raise UsageError("assert_rule needs a frame, or the policy file as `spec=`")
            return _standing(audit.audit(frame, rules=[rule], **columns), None, on_inconclusive)
        if columns or not isinstance(rule, str):
            raise UsageError("with `spec=`, the rule is an id and the policy file names the columns")
        path = _path(self._item, str(spec))
        done = _audited(self._item, path) if frame is None else audit.run(path, frame=frame)
        return _standing(done, rule, on_inconclusive)


@contextmanager
def _plainly() -> Iterator[None]:
    """Fail with the words of an error that a user can mend, and no traceback."""
    try:
        yield
    except AuditError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@dataclass(frozen=True, slots=True)
class _Marked:
    """What a marker says."""

    path: Path
    on_inconclusive: str | None
    stage: str


def _said(node: pytest.Item, marker: pytest.Mark) -> _Marked:
    """What a marker says; a UsageError where it says what no marker may."""
    given = dict(zip(_TAKES, marker.args, strict=False)) | dict(marker.kwargs)
    if len(marker.args) > len(_TAKES) or given.keys() - {*_TAKES} or "spec" not in given:
        raise UsageError(
            "the marker audit takes a policy file, on_inconclusive and stage",
            where=node.nodeid,
            hint='Write @pytest.mark.audit("audit.yaml").',
        )
    word = given.get("on_inconclusive")
    if word is not None and word not in ON_INCONCLUSIVE:
        raise UsageError(
            f"on_inconclusive is {word!r}", where=node.nodeid, hint=f"Allowed: {', '.join(ON_INCONCLUSIVE)}."
        )
    stage = given.get("stage", "launch")
    if stage not in STAGES:
        raise UsageError(f"no stage is called {stage!r}", hint=f"There are: {', '.join(STAGES)}.")
    return _Marked(_path(node, str(given["spec"])), word, stage)


def _governance(said: _Marked, done: Audit) -> tuple[Reason, ...]:
    """What the folder governance/ beside the policy file holds against the release, as at the gate."""
    project = said.path.parent
    if not (project / stages.FOLDER).is_dir():
        return ()
    made = bundle.bundle_id(codec.dumps(done.result))
    held = readiness.reasons(project, done.result, made, said.stage, _today())
    return tuple(Reason(**asdict(reason)) for reason in held)


def _today() -> date:
    return datetime.now(UTC).date()


def _path(node: pytest.Item, spec: str) -> Path:
    """The policy file: from the test file's folder, or else from pytest's root folder."""
    beside = node.path.parent / spec
    return beside if beside.exists() else node.config.rootpath / spec


def _audited(item: pytest.Item, path: Path) -> Audit:
    known = item.config.stash.setdefault(_done, {})
    if path not in known:
        try:
            known[path] = audit.run(path)
        except AuditError as error:
            known[path] = error
    found = known[path]
    if isinstance(found, AuditError):
        raise found
    return found


def _standing(
    done: Audit, rule: str | None, on_inconclusive: str | None, extra: tuple[Reason, ...] = ()
) -> Standing:
    """How one rule stands, or with None the whole decision, on this day and the model just audited."""
    result = done.result
    known = [each.id for each in result.policy.rules]
    if rule is not None and rule not in known:
        near = nearest(rule, known)
        hint = f"Did you mean {near}?" if near else f"There are: {', '.join(known) or 'none'}."
        raise UsageError(f"the policy has no rule {rule!r}", hint=hint)
    model = result.system.model
    decision = gate.decide(
        result,
        today=_today(),
        model_sha256=model.sha256 if model else None,
        on_inconclusive=on_inconclusive,
        extra=extra,
    )
    own = [r for r in decision.reasons if rule is None or r.kind != "rule" or r.id == rule]
    verdict = Verdict.worst([reason.verdict for reason in own]) if own else Verdict.PASS
    unbound = any(reason.kind in EVIDENCE_KINDS for reason in own)
    handled = "fail" if unbound else on_inconclusive or result.policy.on_inconclusive
    text = _words(own) if own else _reported(result, decision, rule)
    return Standing(rule or GATE, verdict, handled, text, done)


def _words(reasons: Sequence[Reason]) -> str:
    return "\n".join(
        f"{reason.verdict.value} ({reason.id}): {reason.text}\n  → {reason.next_step}" for reason in reasons
    )


def _reported(result: AuditResult, decision: Decision, rule: str | None) -> str:
    """What is no pass and does not decide: what is waived, and rules of severity minor."""
    said = [f"waived ({words})" for words in decision.waived if rule is None or words.startswith(f"{rule}: ")]
    for judged in result.rules:
        severity = next((each.severity for each in result.policy.rules if each.id == judged.rule), None)
        if severity == "minor" and judged.rule == rule and judged.verdict is not Verdict.PASS:
            said.append(f"{judged.verdict.value}, reported only ({judged.rule}): {judged.why}")
    return "\n".join(said)

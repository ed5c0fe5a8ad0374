"""Remedies tried on equal terms: the same folds, the same audit, paired intervals, credit where it is due."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audit.errors import UsageError
from audit.mitigation.attempts import OUT_OF_TIME, Attempt, Progress, attempts
from audit.mitigation.base import Ints
from audit.mitigation.catalogue import RETRAIN, Method
from audit.mitigation.effects import Pairing, accuracy_change, positives_change, side_effects, target_change
from audit.mitigation.own import proxies
from audit.mitigation.problem import Problem, audit_decisions, needs_score
from audit.mitigation.trial_report import SCHEMA_VERSION, Credit, RuleAfter, Side, Trial, Trials
from audit.result import NotMeasured

LIMIT, ACCURACY_LIMIT, POSITIVES_LIMIT = 0.05, 0.02, 0.1
_Found = dict[tuple[str, int], Attempt]


def run_trials(
    problem: Problem,
    methods: tuple[Method, ...],
    *,
    limit: float = LIMIT,
    accuracy_limit: float = ACCURACY_LIMIT,
    positives_limit: float = POSITIVES_LIMIT,
    confidence: float = 0.95,
    store: Path | None = None,
    budget: float | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Trials:
    """Try each remedy by nested cross-validation and measure it against the decisions as they are.

    Training again is what the others are credited against, where it is among them. `limit` is how
    much worse in points another group may be, `accuracy_limit` how much accuracy may fall,
    `positives_limit` how far the share of positive decisions may move; `budget` is in seconds. A
    remedy that fails, or for which there was no time, is a row that says so.
    """
    if not all(0 <= one <= 1 for one in (limit, accuracy_limit, positives_limit)):
        raise UsageError("a limit lies between 0 and 1", where="--limit", hint="Write 0.05 for five points.")
    if budget is not None and budget < 0:
        raise UsageError("a budget is not negative", where="--budget")
    found = attempts(problem, methods, store=store, budget=budget, n_jobs=n_jobs, progress=progress)
    pairing = Pairing(problem.rows, problem.before, problem.cluster, limit, confidence)
    tried = [_trial(problem, pairing, one, found, len(methods)) for one in methods]
    tried = [replace(one, on_front=_on_front(one, tried)) for one in tried]
    judged = tuple(_advised(one, limit, accuracy_limit, positives_limit) for one in tried)
    accuracy = next((one.accuracy.before for one in judged if one.accuracy is not None), None)
    strong = proxies(problem.setting, problem.training.X, problem.training.A)
    return Trials(
        schema_version=SCHEMA_VERSION,
        system=problem.before.system.name,
        policy_digest=problem.spec.digest,
        data_digest=problem.digest,
        rows=len(problem.rows),
        training_rows=len(problem.training.y),
        separate_training=problem.separate,
        features=tuple(str(name) for name in problem.X),
        model=" ".join(repr(problem.setting.estimator).split())[:300],
        threshold=problem.setting.threshold,
        folds=problem.folds,
        seed=problem.setting.seed,
        confidence=confidence,
        limit=limit,
        accuracy_limit=accuracy_limit,
        positives_limit=positives_limit,
        target=problem.target,
        verdict_before=problem.before.verdict.value,
        accuracy_before=accuracy,
        proxies=tuple(f"{name} (AUC {0.5 + power:.2f})" for name, power in strong[:3]),
        trials=judged,
        best=_best(judged),
        not_measured=(*problem.left_out, *_unmeasured(problem)),
        notes=problem.notes,
    )


def _unmeasured(problem: Problem) -> list[NotMeasured]:
    rules = [rule for rule in problem.spec.policy.rules if needs_score(rule.metric)]
    return [
        NotMeasured(f"rule {rule.id or rule.metric}", "it reads scores, and remedies give decisions")
        for rule in rules
    ]


def _trial(problem: Problem, pairing: Pairing, method: Method, found: _Found, family: int) -> Trial:
    mine = [one for (name, _), one in sorted(found.items()) if name == method.name]
    good = [one for one in mine if one.why is None]
    wanted = len({int(fold) for fold in problem.fold})
    trial = _empty(method, mine)
    if not good:
        first = mine[0].why if mine else OUT_OF_TIME
        return replace(trial, status="failed" if mine else "not tried", why=first)
    whole = len(good) == wanted
    if not whole:
        bad = "; ".join(f"fold {one.fold + 1}: {one.why}" for one in mine if one.why)
        trial = replace(trial, status="incomplete", why=bad or OUT_OF_TIME)
    before, (after, kept) = _deployed(problem), _joined(problem, good)
    part = None if kept.all() else kept
    effect = target_change(pairing, problem.target, before, after, confidence=pairing.confidence, kept=part)
    sure = 1 - (1 - pairing.confidence) / max(1, family)
    strict = target_change(pairing, problem.target, before, after, confidence=sure, kept=part)
    audit = audit_decisions(problem.spec, problem.rows, after) if whole else None
    return replace(
        trial,
        verdict=None if audit is None else audit.verdict.value,
        rules=() if audit is None else tuple(RuleAfter(r.rule, r.verdict.value) for r in audit.rules),
        effect=effect,
        simultaneous_low=strict.low,
        accuracy=accuracy_change(pairing, before, after, part),
        positives=positives_change(pairing, before, after, part),
        credit=_credit(problem, pairing, method, found, after, kept),
        sides=side_effects(pairing, problem.target, before, after, part),
    )


def _empty(method: Method, mine: list[Attempt]) -> Trial:
    return Trial(
        name=method.name,
        title=method.title,
        library=method.library,
        stage=method.stage,
        action=method.action,
        does=method.does,
        status="measured",
        why=None,
        folds_done=sum(one.why is None for one in mine),
        seconds=round(sum(one.seconds for one in mine), 2),
        chosen=tuple(dict.fromkeys(one.chosen for one in mine if one.chosen is not None)),
        needs_attribute_at_decision=method.needs_attribute_at_decision,
        group_specific_thresholds=method.group_specific_thresholds,
        legal_note=method.legal_note,
        verdict=None,
        rules=(),
        effect=None,
        simultaneous_low=None,
        accuracy=None,
        positives=None,
        credit=(),
        sides=(),
        on_front=False,
        advised=False,
        not_advised=(),
    )


def _deployed(problem: Problem) -> Ints:
    decision = problem.rows.decision
    assert decision is not None
    return decision


def _joined(problem: Problem, good: list[Attempt]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The folds' decisions as one, and which rows have one; the others keep the deployed decision."""
    after, kept = _deployed(problem).copy(), np.zeros(len(problem.rows), dtype=bool)
    for one in good:
        rows = problem.fold == one.fold
        after[rows], kept[rows] = one.unpacked(), True
    return after, kept


def _credit(
    problem: Problem,
    pairing: Pairing,
    method: Method,
    found: _Found,
    after: Ints,
    kept: npt.NDArray[np.bool_],
) -> tuple[Credit, ...]:
    """The remedy against training again alone, on the rows that both decided."""
    if method.name == RETRAIN:
        return ()
    plain = [one for (name, _), one in found.items() if name == RETRAIN and one.why is None]
    if not plain:
        return ()
    alone, both = _joined(problem, plain)
    both &= kept
    if not both.any():
        return ()
    part = None if both.all() else both
    change = target_change(pairing, problem.target, alone, after, confidence=pairing.confidence, kept=part)
    return (Credit(RETRAIN, change),)


def _standing(one: Trial) -> tuple[float, float] | None:
    """The gap that is left and the accuracy; None where either is not known."""
    if one.status != "measured" or one.effect is None or one.effect.after is None or one.accuracy is None:
        return None
    return None if one.accuracy.after is None else (abs(one.effect.after), one.accuracy.after)


def _on_front(one: Trial, others: list[Trial]) -> bool:
    mine = _standing(one)
    if mine is None:
        return False
    known = [found for other in others if (found := _standing(other)) is not None]
    return not any(
        gap <= mine[0] and accuracy >= mine[1] and (gap, accuracy) != mine for gap, accuracy in known
    )


def _advised(one: Trial, limit: float, accuracy_limit: float, positives_limit: float) -> Trial:
    """Whether the evidence speaks for it, and what speaks against."""
    against = []
    if one.status != "measured":
        against.append(f"{one.status}: {one.why}")
    elif one.effect is None or one.effect.value is None:
        against.append(f"its effect is undefined: {one.effect.why if one.effect else 'nothing measured'}")
    elif one.simultaneous_low is None or one.simultaneous_low <= 0:
        against.append("no improvement is shown, all remedies taken together")
    worse = [side for side in one.sides if side.verdict == "worse"]
    if worse:
        against.append(f"worse by more than {limit:g}: {'; '.join(_side_words(side) for side in worse[:3])}")
    accuracy = one.accuracy
    if accuracy is not None and accuracy.value is not None and -accuracy.value > accuracy_limit:
        against.append(f"accuracy falls by {-accuracy.value:.3f}, more than {accuracy_limit:g}")
    moved = one.positives
    if moved is not None and moved.value is not None and abs(moved.value) > positives_limit:
        against.append(
            f"decides positively for {moved.after:.0%} of all in place of {moved.before:.0%}, "
            f"a move of more than {positives_limit:g}"
        )
    if not against and one.name != RETRAIN and not one.credit:
        against.append("training again alone was not measured, so its own part is not known")
    if not against and any(c.change.low is None or c.change.low <= 0 for c in one.credit):
        against.append("training again alone may do as much")
    return replace(one, advised=not against, not_advised=tuple(against))


def _side_words(side: Side) -> str:
    value = 0.0 if side.change.value is None else side.change.value
    return f"{side.what} of {side.group} in {side.metric.replace('_', ' ')} by {-value:.3f}"


def _best(judged: tuple[Trial, ...]) -> str | None:
    """Of the advised remedies one without a legal question, if there is one; then the largest effect."""
    able = [one for one in judged if one.advised and one.effect is not None and one.effect.value is not None]
    if not able:
        return None

    def rank(one: Trial) -> tuple[bool, bool, float]:
        effect = 0.0 if one.effect is None or one.effect.value is None else one.effect.value
        return (one.group_specific_thresholds, one.needs_attribute_at_decision, -effect)

    return min(able, key=rank).name

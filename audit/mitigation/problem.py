"""A trial's question: rows to fit on, rows to judge on, folds of people, and the disparity to shrink."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from audit.engine import run as engine
from audit.engine.entries import NO_OTHER
from audit.errors import DataError, UsageError
from audit.mitigation.base import MOST_VALUES, Ints, Names, Setting, default_estimator
from audit.mitigation.rows import Audited, audited_rows, persons
from audit.mitigation.trial_report import Target
from audit.registry import Alias, lookup, metrics, nearest
from audit.result import AuditResult, Finding, NotMeasured, Verdict, group_name
from audit.spec import AuditSpec
from audit.spec.model import Positive

DECISION = "harm_audit_decision"
CREATED = "1970-01-01T00:00:00Z"
FOLDS = 5


@dataclass(frozen=True)
class Training:
    """The rows that remedies are fitted on."""

    X: pd.DataFrame
    y: Ints
    A: Names
    fold: Ints


@dataclass(frozen=True)
class Problem:
    """Everything that a trial reads."""

    spec: AuditSpec
    rows: Audited
    X: pd.DataFrame
    A: Names
    fold: Ints
    training: Training
    separate: bool
    setting: Setting
    target: Target
    before: AuditResult
    folds: int
    cluster: Ints | None
    left_out: tuple[NotMeasured, ...]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of all that decides a fit's result; another model, row or threshold has another digest."""
        made = hashlib.sha256(repr((self.setting, self.folds, self.separate)).encode())
        for part in (self.X, self.training.X):
            made.update(repr([(str(name), str(kind)) for name, kind in part.dtypes.items()]).encode())
            made.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
        for array in (self.rows.label, self.training.y, self.fold, self.training.fold):
            made.update(np.ascontiguousarray(array).tobytes())
        for names in (self.A, self.training.A):
            made.update("\x1f".join(names.tolist()).encode())
        return made.hexdigest()[:16]


def make_problem(
    spec: AuditSpec,
    frame: pd.DataFrame,
    *,
    training: pd.DataFrame | None = None,
    features: tuple[str, ...] = (),
    estimator: Any = None,
    threshold: float | None = None,
    rule: str | None = None,
    group: str | None = None,
    person: str | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Problem:
    """The problem that a policy file and its rows pose.

    `training` are other rows to fit on, as a history; without them each fold is judged by models
    fitted on the other folds. People are told by `person`, else by the file's cluster or id, and a
    person's rows share a fold, in the training rows too.
    Errors: UsageError for what was asked, DataError for what the rows hold.
    """
    if folds < 2:
        raise UsageError("at least two folds are needed", where="--folds")
    rows = audited_rows(spec, frame)
    if rows.decision is None:
        raise UsageError("the policy file names no decision, so there is nothing to improve on")
    if not (rows.label >= 0).any():
        raise DataError("no audited row has a label", where="data.columns.label")
    before = audit_decisions(spec, rows, rows.decision)
    target = _target(before, rule, group)
    used, left_out = _features(spec, rows.frame, features, person)
    X = rows.frame[list(used)]
    A = rows.names(target.grouping)
    learned, fit_fold, fold, notes = _training(spec, rows, training, person, folds, seed)
    lacking = [name for name in used if name not in learned.frame]
    if lacking:
        raise UsageError(f"the training rows have no column {lacking[0]!r}", where="--train")
    labelled = learned.label >= 0
    if len(np.unique(learned.label[labelled])) < 2:
        raise DataError("the training rows have one label alone", where="the training rows")
    fit = Training(
        learned.frame.loc[labelled, list(used)].reset_index(drop=True),
        learned.label[labelled],
        learned.names(target.grouping)[labelled],
        fit_fold[labelled],
    )
    setting = Setting(
        estimator=estimator if estimator is not None else default_estimator(fit.X),
        threshold=_threshold(spec, threshold),
        metric=target.metric,
        group=target.group,
        reference=None if target.reference in ("rest", "overall", "parity") else target.reference,
        seed=seed,
    )
    clusters = spec.data.columns.cluster
    cluster = None if clusters is None else pd.factorize(rows.frame[clusters].astype(str))[0]
    return Problem(
        spec, rows, X, A, fold, fit, training is not None, setting, target, before, folds, cluster, left_out,
        (*notes, *_absent(fit, fold, setting, folds)),
    )  # fmt: skip


def audit_decisions(spec: AuditSpec, rows: Audited, decisions: Ints) -> AuditResult:
    """The audit of other decisions on the same rows, under the rules that need no score."""
    return engine.audit(decision_spec(spec), frame=decided_frame(spec, rows, decisions), created_at=CREATED)[
        0
    ]


def decided_frame(spec: AuditSpec, rows: Audited, decisions: Ints) -> pd.DataFrame:
    """The columns that the audit of decisions reads."""
    columns = spec.data.columns
    used = [item.column or name for name, item in spec.data.attributes.items()]
    used += [*spec.data.control, *(one for one in (columns.label, columns.cluster) if one)]
    return rows.frame[list(dict.fromkeys(used))].assign(**{DECISION: decisions})


def decision_spec(spec: AuditSpec) -> AuditSpec:
    """The policy file for decisions at hand: no source, no score, no rule that needs one."""
    asked = {"prediction": DECISION, "score": None, "id": None, "time": None}
    data = spec.data.model_copy(
        update={
            "columns": spec.data.columns.model_copy(update=asked),
            "positive": Positive(label=spec.data.positive_label, prediction="1"),
            "threshold": None,
            "filter": None,
            "join": None,
            "source": None,
            "sql": None,
            "table": None,
        }
    )
    kept = tuple(rule for rule in spec.policy.rules if not needs_score(rule.metric))
    return replace(spec, data=data, policy=spec.policy.model_copy(update={"rules": kept}))


def needs_score(metric: str) -> bool:
    """Whether a rule's metric reads scores."""
    found = lookup(metric)
    names = found.metrics if isinstance(found, Alias) else (found.name,)
    return any("score" in metrics()[name].needs for name in names)


def _target(before: AuditResult, rule: str | None, group: str | None) -> Target:
    """The finding to work on: the one that was named, else the strongest evidence, singles first."""
    able = [one for one in before.findings if changeable(one)]
    if rule is not None:
        known = [one.id for one in before.policy.rules]
        if rule not in known:
            near = nearest(rule, known)
            hint = f"Did you mean {near}?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"no rule of decisions is called {rule!r}", where="--rule", hint=hint)
        able = [one for one in able if one.rule == rule]
    if group is not None:
        named = [one for one in able if group_name(one.group) == group]
        if not named:
            there = ", ".join(dict.fromkeys(group_name(one.group) for one in able))
            raise UsageError(
                f"no finding is of group {group!r}", where="--group", hint=f"There are: {there}."
            )
        able = named
    if not able and all(len(one.values) < 2 for one in before.data.attributes):
        raise DataError(
            "every row is of one group, so there is no gap to shrink",
            where="data.attributes",
            hint="Audit rows of more than one group.",
        )
    if not able:
        raise UsageError(
            "no rule compares a rate of decisions between groups",
            hint="Add one, as {metric: equal_opportunity, at_most: 0.05}.",
        )
    order = {Verdict.VIOLATION: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    evidence = {
        (c.rule, c.metric, c.grouping, c.group): c.p_violation
        for c in before.comparisons
        if c.stratum is None
    }

    def rank(one: Finding) -> tuple[Any, ...]:
        p = evidence.get((one.rule, one.metric, one.grouping, one.group))
        return (len(one.grouping) > 1, order[one.verdict], one.severity == "minor", 1.0 if p is None else p)

    best = min(able, key=rank)
    return Target(
        best.rule,
        best.metric,
        best.comparison,
        best.grouping,
        group_name(best.group),
        best.reference,
        best.bound,
        best.value,
        best.verdict.value,
    )


def changeable(one: Finding) -> bool:
    """Whether the change of a finding's gap can be measured on pairs of decisions."""
    metric = metrics().get(one.metric)
    return (
        metric is not None
        and metric.numerator is not None
        and "score" not in metric.needs
        and one.stratum is None
        and one.comparison in ("difference", "ratio")
        and one.reference not in ("best", "parity", NO_OTHER)
    )


def _features(
    spec: AuditSpec, frame: pd.DataFrame, named: tuple[str, ...], person: str | None
) -> tuple[tuple[str, ...], tuple[NotMeasured, ...]]:
    for name in named:
        if name not in frame:
            near = nearest(name, [str(one) for one in frame.columns])
            hint = f"Did you mean {near}?" if near else f"There are: {', '.join(map(str, frame.columns))}."
            raise UsageError(f"no column is called {name!r}", where="--feature", hint=hint)
    if named:
        return named, ()
    columns = spec.data.columns
    roles = {value for role in type(columns).model_fields if (value := getattr(columns, role))}
    reserved = roles | {item.column or name for name, item in spec.data.attributes.items()} | {person}
    kept, left_out = [], []
    for name in (str(one) for one in frame.columns if str(one) not in reserved):
        column = frame[name]
        values = column.nunique()
        if not pd.api.types.is_numeric_dtype(column) and values > MOST_VALUES:
            why = f"text of {values:,} distinct values names rows and describes none"
            left_out.append(NotMeasured(f"feature {name}", why))
        elif values < 2:
            left_out.append(NotMeasured(f"feature {name}", "it has one value alone"))
        else:
            kept.append(name)
    if not kept:
        raise UsageError("no column is left as a feature", where="--feature", hint="Name at least one.")
    return tuple(kept), tuple(left_out)


def _training(
    spec: AuditSpec, rows: Audited, training: pd.DataFrame | None, person: str | None, folds: int, seed: int
) -> tuple[Audited, Ints, Ints, tuple[str, ...]]:
    """The rows to fit on, their folds, the audited rows' folds, and what is to be said of it."""
    named = persons(spec, rows.frame, named=person)
    fold = _folds(named, len(rows), folds, seed)
    if training is None:
        return rows, fold, fold, ()
    learned = audited_rows(spec, training, decided=False)
    column = person or spec.data.columns.cluster or spec.data.columns.id
    if named is None or column not in learned.frame:
        note = "training and audited rows share no id: whether the same people are in both is not known"
        return learned, _folds(None, len(learned), folds, seed + 1), fold, (note,)
    theirs = persons(spec, learned.frame, named=column)
    return learned, _folds(theirs, len(learned), folds, seed), fold, ()


def _folds(named: Names | None, size: int, folds: int, seed: int) -> Ints:
    """Each row's fold: by a hash of its person, so that it is the same in every table; else drawn."""
    if named is None:
        order = np.random.default_rng(seed).permutation(size)
        drawn = np.empty(size, dtype=np.int64)
        drawn[order] = np.arange(size) % folds
        return drawn
    salted = np.array([f"{seed}:"], dtype=object) + named.astype(object)
    return (pd.util.hash_array(salted, categorize=True) % np.uint64(folds)).astype(np.int64)


def _absent(fit: Training, fold: Ints, setting: Setting, folds: int) -> tuple[str, ...]:
    """Folds without rows to judge, or whose fits see nobody of the group."""
    said = []
    for at in range(folds):
        if not (fold == at).any():
            said.append(f"fold {at + 1} has no row to judge")
        if not setting.focal(fit.A[fit.fold != at]).any():
            said.append(f"the training rows of fold {at + 1} have nobody of {setting.group}")
    return tuple(said)


def _threshold(spec: AuditSpec, given: float | None) -> float:
    found = given if given is not None else spec.data.threshold
    threshold = 0.5 if found is None else float(found)
    if not 0 < threshold < 1:
        raise UsageError(
            f"the threshold is {threshold:g}, and a probability's lies between 0 and 1", where="--threshold"
        )
    return threshold

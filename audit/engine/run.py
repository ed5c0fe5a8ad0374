"""The audit from end to end: spec and rows to one result."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from audit import __version__
from audit.engine import barriers, conditional, disparity, tasks
from audit.engine.cells import Cells
from audit.engine.counts import Counts
from audit.engine.curves import curves
from audit.engine.entries import compare
from audit.engine.estimates import estimates, measurable
from audit.engine.findings import judge, look_alpha
from audit.engine.groups import MISSING
from audit.engine.metrics.distributions import spreads
from audit.engine.source import Source, open_source
from audit.engine.tables import Tables, rows_of
from audit.engine.warnings import warnings_of
from audit.errors import DataError, SpecError, UsageError
from audit.registry import Alias, lookup, metric_named, nearest, split_class
from audit.result import (
    SCHEMA_VERSION,
    Attribute,
    AuditResult,
    Cell,
    Coverage,
    Data,
    Exclusion,
    Model,
    NotMeasured,
    Policy,
    Rule,
    System,
    group_name,
)
from audit.spec import AuditSpec, resolve_rules


def audit(
    spec: AuditSpec,
    *,
    frame: Any = None,
    counts: Counts | None = None,
    created_at: str,
    look: int | None = None,
) -> tuple[AuditResult, Counts]:
    """Audit a file, a database, a frame, or counts taken before.

    `created_at` is given, not asked of a clock, so that equal input gives equal bytes; `look` is
    the number of this look at the data, None where looks are not counted. Errors: SpecError for
    what the spec names and the data lacks, DataError for what the data holds.
    """
    rules = resolve_rules(spec)
    source = None
    if counts is None:
        with open_source(spec, frame=frame) as source:
            counts = tasks.count(spec, source, scoring_rate=_asks_scoring_rate(spec, rules))
    tables = Tables(counts, spec.data.intersections, spec)
    policy = _policy(spec, rules, look)
    _check(spec, rules, tables)
    references = {name: str(item.reference) for name, item in spec.data.attributes.items()}
    context = barriers.Context(tables, policy, references, spec.system.outcome == "adverse")
    entries = [entry for rule in rules for entry in _entries(rule, context)]
    comparisons = compare(entries, policy)
    findings, verdicts, verdict = judge(comparisons, policy)
    edges, spans, bins = curves(tables)
    _, not_measured = measurable(tables)
    result = AuditResult(
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        created_at=created_at,
        system=_system(spec),
        data=_data(spec, source, counts, tables, rules),
        policy=policy,
        verdict=verdict,
        rules=verdicts,
        findings=findings,
        comparisons=comparisons,
        estimates=estimates(tables, policy, references),
        conditional=_conditional(rules, tables, references),
        score_edges=edges,
        score_bins=bins,
        not_measured=tuple(not_measured) + _unjudged(rules, tables),
        cells=_cells(counts),
        versions=_versions(),
        score_spans=spans,
        predictions=spreads(tables),
    )
    return result, counts


def explain(spec: AuditSpec, *, frame: Any = None) -> str:
    """What would be read, and the SQL; the rows are probed, not audited."""
    with open_source(spec, frame=frame) as source:
        return f"-- source: {source.name} ({source.kind})\n" + tasks.describe(spec, source)


def _entries(rule: Rule, context: barriers.Context) -> list[Any]:
    if rule.comparison.startswith("conditional_"):
        return conditional.entries(rule, context)
    return disparity.entries(rule, context)


def _asks_scoring_rate(spec: AuditSpec, rules: tuple[Rule, ...]) -> bool:
    named = any(rule.metric == "scoring_rate" for rule in rules)
    return named or any(item.as_ in ("sex", "race_ethnicity") for item in spec.data.attributes.values())


def _policy(spec: AuditSpec, rules: tuple[Rule, ...], look: int | None) -> Policy:
    given = spec.policy
    return Policy(
        path=_policy_path(spec),
        digest=spec.digest,
        confidence=given.confidence,
        alpha=look_alpha(1 - given.confidence, look),
        look=look,
        family=given.family,
        min_group=given.min_group,
        small_groups=given.small_groups,
        on_inconclusive=given.on_inconclusive,
        suppress_below=given.suppress_below,
        rules=rules,
    )


def _policy_path(spec: AuditSpec) -> str | None:
    """The policy's path as it was given, which is how a repository knows it; of an absolute one the name."""
    if spec.path is None:
        return None
    return spec.path.name if spec.path.is_absolute() else spec.path.as_posix()


def _check(spec: AuditSpec, rules: tuple[Rule, ...], tables: Tables) -> None:
    """What a rule asks for must be there: groups of waivers, columns of strata, scores in [0, 1]."""
    for rule in rules:
        where = f"{spec.path.name}:{rule.line}" if spec.path and rule.line else f"rule {rule.id}"
        _check_waivers(rule, tables, where)
        if rule.comparison.startswith("conditional_") and not tables.counts.control:
            raise SpecError(
                f"rule {rule.id!r} compares within strata, and there are no control columns",
                where=where,
                hint="Write data.control: [COLUMN].",
            )
        _check_class(rule, tables, where)
        found = lookup(rule.metric)
        parts = found.metrics if isinstance(found, Alias) else (found.name,)
        calibrated = [part for part in parts if part in ("calibration_in_the_large", "brier")]
        if calibrated and not tables.unit_scores:
            raise DataError(
                f"rule {rule.id!r} reads scores as probabilities, and some lie outside [0, 1]",
                where=where,
                hint="Give a score in [0, 1], or leave the rule out.",
            )


def _check_waivers(rule: Rule, tables: Tables, where: str) -> None:
    """A waived group is one that the rule judges, and one alone: of two by that name both would pass."""
    homes: dict[str, list[str]] = {}
    for grouping in tables.groupings:
        if not rule.attributes or set(grouping) <= set(rule.attributes):
            for group in tables.groups(grouping).groups:
                homes.setdefault(group_name(group), []).append(" × ".join(grouping))
    for name in (group for waiver in rule.waivers for group in waiver.groups):
        if name not in homes:
            near = nearest(name, homes)
            raise SpecError(
                f"rule {rule.id!r} waives group {name!r}, which does not occur",
                where=where,
                hint=f"Did you mean {near}?" if near else f"Groups: {', '.join(sorted(homes)[:20])}.",
            )
        if len(homes[name]) > 1:
            raise SpecError(
                f"rule {rule.id!r} waives group {name!r}, and there is one in {' and in '.join(homes[name])}",
                where=where,
                hint="Split the rule in two by `attributes:`, and waive the group in one.",
            )


def _check_class(rule: Rule, tables: Tables, where: str) -> None:
    of_class, classes = split_class(rule.metric)[1], tables.counts.classes
    if of_class is not None and of_class not in classes:
        near = nearest(of_class, classes)
        raise SpecError(
            f"rule {rule.id!r} names the class {of_class!r}, which does not occur",
            where=where,
            hint=f"Did you mean {near}?" if near else f"Classes: {', '.join(classes[:20])}.",
        )


def _system(spec: AuditSpec) -> System:
    given = spec.system
    model = None
    if given.model is not None:
        path = Path(given.model) if Path(given.model).is_absolute() else spec.base / given.model
        try:
            with path.open("rb") as stream:
                model = Model(given.model, hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise UsageError(
                f"the model file cannot be read: {given.model}",
                where="system.model",
                hint=f"Looked for {path}; mend the path or leave system.model out.",
            ) from error
    return System(
        name=given.name,
        version=given.version,
        owner=given.owner,
        use=given.use,
        output=given.output,
        jurisdictions=tuple(given.jurisdictions),
        tier=given.tier,
        outcome=given.outcome,
        model=model,
        utility=None if given.utility is None else given.utility.model_dump(),
    )


def _data(
    spec: AuditSpec, source: Source | None, counts: Counts, tables: Tables, rules: tuple[Rule, ...]
) -> Data:
    columns = spec.data.columns
    roles = {role: name for role in type(columns).model_fields if (name := getattr(columns, role))}
    attributes = []
    for name, item in spec.data.attributes.items():
        values, rows = rows_of(counts, name)
        attributes.append(
            Attribute(name, item.as_, str(item.reference), values, tuple(int(count) for count in rows))
        )
    digest = None if source is None else source.digest
    if source is not None and source.kind in ("table", "sql"):
        asked = f"{spec.data.table}\n{spec.data.sql}\n".encode()
        held = counts.save() if counts.task else repr(_cells(counts)).encode()
        digest = hashlib.sha256(asked + held).hexdigest()
    lines = counts.rejected_lines
    return Data(
        source=source.name if source is not None else "counts",
        kind=source.kind if source is not None else "counts",
        digest=digest,
        rows_read=counts.rows_read,
        rows_audited=counts.rows,
        excluded=tuple(
            Exclusion(reason, rows, lines if reason == "unreadable line" else ())
            for reason, rows in counts.excluded
        ),
        label_coverage=_coverage(tables),
        attributes=tuple(attributes),
        control=counts.control,
        roles=roles,
        positive=dict(counts.positive),
        threshold=spec.data.threshold,
        weights=counts.weights,
        clusters=counts.clusters,
        warnings=(() if source is None else source.notes) + warnings_of(spec, counts, tables, rules),
        task=spec.data.task_named,
        classes=counts.classes,
        top=spec.data.top if spec.data.task_named == "ranking" else None,
    )


def _coverage(tables: Tables) -> tuple[Coverage, ...]:
    if "label" not in tables.roles:
        return ()
    made = []
    for grouping in (grouping for grouping in tables.groupings if len(grouping) == 1):
        rows, labelled = tables.labelled(grouping)
        places: list[tuple[int, int | None]] = [(0, 0), (1, 1), (MISSING, None)]
        if tables.counts.classes:
            places = [(place, place) for place in range(len(tables.counts.classes))]
        for index, group in enumerate(tables.groups(grouping).groups):
            for place, prediction in places:
                if rows[index, place]:
                    made.append(
                        Coverage(
                            grouping, group, prediction, int(rows[index, place]), int(labelled[index, place])
                        )
                    )
    return tuple(made)


def _conditional(rules: tuple[Rule, ...], tables: Tables, references: dict[str, str]) -> tuple[Any, ...]:
    """For each rate that a rule names, each attribute's groups within strata."""
    if not tables.counts.control:
        return ()
    wanted: dict[str, None] = {}
    for rule in rules:
        found = lookup(rule.metric)
        named = found.metrics if isinstance(found, Alias) else (found.name,)
        for name in (each for whole in named for each in tables.named(whole)):
            metric = metric_named(name)
            if metric.numerator is not None and set(metric.needs) <= tables.roles:
                wanted[name] = None
    if not wanted and "prediction" in tables.roles and not tables.counts.task:
        wanted["selection_rate"] = None
    singles = [grouping for grouping in tables.groupings if len(grouping) == 1]
    return tuple(
        item
        for name in wanted
        for grouping in singles
        for item in conditional.describe(name, grouping, tables, references)
    )


def _unjudged(rules: tuple[Rule, ...], tables: Tables) -> tuple[NotMeasured, ...]:
    if rules:
        return ()
    return (NotMeasured("Every rule", "the policy has no rules, so nothing was judged"),)


def _cells(counts: Counts) -> tuple[Cell, ...]:
    return tuple(cell for table in counts.cells for cell in _table_cells(table, counts))


def _table_cells(table: Cells, counts: Counts) -> list[Cell]:
    whole = table.merged(keys=("label", "prediction"))
    names = tuple(name for name in whole.names if name in counts.attributes)
    width = len(names)
    values = [
        np.array(level, dtype=object)[whole.codes[:, place]] for place, level in enumerate(whole.levels)
    ]
    labels, predictions = whole.keys["label"].tolist(), whole.keys["prediction"].tolist()
    rows = list(zip(*values, strict=True)) if values else [()] * len(whole)
    w = whole.sums["w"].tolist() if "w" in whole.sums else None
    w2 = whole.sums["w2"].tolist() if "w2" in whole.sums else None
    return [
        Cell(
            names,
            tuple(row[:width]),
            tuple(row[width:]),
            None if labels[i] < 0 else labels[i],
            None if predictions[i] < 0 else predictions[i],
            int(n),
            None if w is None else int(w[i]),
            None if w2 is None else int(w2[i]),
        )
        for i, (row, n) in enumerate(zip(rows, whole.sums["n"].tolist(), strict=True))
    ]


def _versions() -> dict[str, str]:
    names = ("duckdb", "ibis-framework", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


@cache
def _version(name: str) -> str:
    return version(name)

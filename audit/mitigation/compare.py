"""Two audits side by side: what changed, and what is no more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from audit.engine.reading import missing_column
from audit.errors import DataError, UsageError
from audit.mitigation.effects import Pairing
from audit.mitigation.paired import Change, gap_change
from audit.mitigation.rows import Audited, audited_rows, frame_of
from audit.mitigation.target import changeable
from audit.registry import metrics
from audit.result import AuditResult, Comparison, NotMeasured, group_name
from audit.spec import AuditSpec

SCHEMA_VERSION = "1.0"
Key = tuple[str, str, str, tuple[str, ...], str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison of a policy in two audits."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    group: str
    reference: str
    before: float | None
    after: float | None
    """The value as the rule has it, a difference or a ratio."""
    verdict_before: str
    verdict_after: str
    change: Change
    """How much nearer to parity; above 0 is better."""
    p: float | None
    p_adjusted: float | None
    """Holm's, over all comparisons whose change has an interval."""
    says: str
    """`better`, `worse`, `noise`, or `undefined`."""


@dataclass(frozen=True, slots=True)
class BundleComparison:
    """All that two audits have in common, compared, and what only one of them has."""

    schema_version: str
    before: str
    after: str
    """Bundle ids."""
    systems: tuple[str, ...]
    """Name and version of each."""
    verdicts: tuple[str, ...]
    paired: bool
    how: str
    """How the intervals were made, and why."""
    rows: int
    """Matched rows where they are paired, else the rows of the later audit."""
    confidence: float
    compared: tuple[Compared, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    differences: tuple[NotMeasured, ...]
    """What else differs: policy, data, a rule's bound, and what that means."""

    def row(self, metric: str, comparison: str, grouping: tuple[str, ...], group: str) -> Compared | None:
        """One comparison, by what it compares."""
        for one in self.compared:
            if (one.metric, one.comparison, one.grouping, one.group) == (metric, comparison, grouping, group):
                return one
        return None


@dataclass(frozen=True)
class Matched:
    """The rows that two audits share: the same people, labels and groups, decided twice."""

    rows: Audited
    before: np.ndarray[tuple[int], np.dtype[np.int64]]
    after: np.ndarray[tuple[int], np.dtype[np.int64]]
    left_out: tuple[NotMeasured, ...]


def match(first: AuditSpec, second: AuditSpec) -> Matched:
    """The rows of two policy files that have the same id, label and groups.

    Errors: UsageError where a file names no id, DataError where ids repeat or no row is shared.
    """
    sides = []
    for spec in (first, second):
        name = spec.data.columns.id
        where = str(spec.path or "the policy file")
        if name is None:
            raise UsageError(
                "names no id, so rows cannot be matched", where=where, hint="Add columns: {id: …}."
            )
        rows = audited_rows(spec, frame_of(spec))
        if name not in rows.frame:
            raise missing_column(name, [str(one) for one in rows.frame.columns], where=where)
        ids = rows.frame[name].astype(str)
        if ids.duplicated().any():
            raise DataError(f"{int(ids.duplicated().sum())} ids occur again", where=where)
        if rows.decision is None:
            raise UsageError("names no decision", where=where)
        sides.append((rows, pd.Index(ids)))
    (mine, here), (other, there) = sides
    shared = here.intersection(there, sort=False)
    if not len(shared):
        raise DataError("the two files share no id", hint="Compare without rows; then it is not paired.")
    a, b = here.get_indexer(shared), there.get_indexer(shared)
    if set(mine.groups) != set(other.groups):
        raise DataError("the two files have other attributes")
    same = mine.label[a] == other.label[b]
    for name in mine.groups:
        same &= mine.groups[name][a] == other.groups[name][b]
    left = [
        NotMeasured(f"{count:,} rows", why)
        for count, why in (
            (len(here) - len(shared), "only the earlier audit has them"),
            (len(there) - len(shared), "only the later audit has them"),
            (int((~same).sum()), "their label or group is another in the later audit"),
        )
        if count
    ]
    a, b = a[same], b[same]
    assert mine.decision is not None
    assert other.decision is not None
    kept = Audited(
        mine.frame.iloc[a].reset_index(drop=True),
        {name: values[a] for name, values in mine.groups.items()},
        mine.label[a],
        mine.decision[a],
    )
    return Matched(kept, mine.decision[a], other.decision[b], tuple(left))


def compare(
    before: tuple[str, AuditResult], after: tuple[str, AuditResult], matched: Matched | None = None
) -> BundleComparison:
    """Compare two audits, each given with its bundle's id; on matched rows where there are any.

    Without rows the two are taken as independent, which on the same people makes intervals wider
    than they need be. `better` and `worse` hold for all comparisons together (Holm).
    """
    (first_id, first), (second_id, second) = before, after
    confidence = second.policy.confidence
    here, there = _by_key(first), _by_key(second)
    verdicts = [_verdicts(result) for result in (first, second)]
    found = []
    for key in here.keys() & there.keys():
        pair = (here[key], there[key])
        change = _change(pair, first, matched, confidence)
        found.append((key, pair, change, _p(change, confidence)))
    found.sort(key=lambda one: (one[3] is None, one[3] or 0.0, one[0]))
    adjusted = _holm([p for *_, p in found if p is not None])
    alpha = 1 - confidence
    compared = []
    for place, (key, pair, change, p) in enumerate(found):
        q = adjusted[place] if p is not None else None
        says = "undefined" if q is None else "noise" if q > alpha else _way(change)
        named = (verdicts[0].get(key, "not judged"), verdicts[1].get(key, "not judged"))
        compared.append(Compared(*key, pair[0].value, pair[1].value, *named, change, p, q, says))
    return BundleComparison(
        schema_version=SCHEMA_VERSION,
        before=first_id,
        after=second_id,
        systems=tuple(f"{r.system.name} {r.system.version or ''}".strip() for r in (first, second)),
        verdicts=(first.verdict.value, second.verdict.value),
        paired=matched is not None,
        how=_how(first, second, matched),
        rows=len(matched.rows) if matched is not None else second.data.rows_audited,
        confidence=confidence,
        compared=tuple(compared),
        only_before=tuple(sorted(_words(key) for key in here.keys() - there.keys())),
        only_after=tuple(sorted(_words(key) for key in there.keys() - here.keys())),
        differences=(*_differences(first, second), *(matched.left_out if matched is not None else ())),
    )


def _by_key(result: AuditResult) -> dict[Key, Comparison]:
    return {_key(one): one for one in result.comparisons if one.stratum is None}


def _key(one: Comparison) -> Key:
    return (one.rule, one.metric, one.comparison, one.grouping, group_name(one.group), one.reference)


def _verdicts(result: AuditResult) -> dict[Key, str]:
    return {
        (f.rule, f.metric, f.comparison, f.grouping, group_name(f.group), f.reference): f.verdict.value
        for f in result.findings
        if f.stratum is None
    }


def _change(
    pair: tuple[Comparison, Comparison], first: AuditResult, matched: Matched | None, confidence: float
) -> Change:
    one = pair[0]
    finding = next((f for f in first.findings if (f.rule, f.metric, f.grouping, f.group) == _same(one)), None)
    if matched is not None and finding is not None and changeable(finding):
        pairing = Pairing(matched.rows, first, None, 0.0, confidence)
        mine, other = pairing.masks(one.grouping, group_name(one.group), one.reference)
        rows = pairing.decisions(matched.before, matched.after)
        return gap_change(metrics()[one.metric], rows, mine, other, one.comparison, confidence)
    return independent_change(*pair)


def _same(one: Comparison) -> tuple[str, str, tuple[str, ...], tuple[str | None, ...]]:
    return (one.rule, one.metric, one.grouping, one.group)


def independent_change(before: Comparison, after: Comparison) -> Change:
    """How much nearer to parity, from the two audits' own intervals as if of different people.

    Source: Zou and Donner, Statistics in Medicine 27 (2008): the limits are recovered from the
    variances that the two intervals imply.
    """
    ratio = before.comparison.endswith("ratio")
    scale, n = ("log ratio" if ratio else "points"), int(before.n)
    if before.comparison not in ("difference", "ratio"):
        return Change(
            None, None, None, None, None, scale, n, f"no change is worked out of {before.comparison}"
        )
    ends = []
    for one in (before, after):
        values = (one.value, one.low, one.high)
        if None in values or (ratio and min(v for v in values if v is not None) <= 0):
            return Change(None, None, None, None, None, scale, n, one.why or "an interval is not finite")
        plain = [float(v) for v in values if v is not None]
        ends.append([math.log(v) for v in plain] if ratio else plain)
    was, now = ends
    value = abs(was[0]) - abs(now[0])

    def end(of_before: float, of_after: float, side: float) -> float:
        reach = 0.0
        for factor, (middle, low, high) in ((of_before, was), (of_after, now)):
            reach += (middle - (high if factor * side > 0 else low)) ** 2
        return of_before * was[0] + of_after * now[0] + side * math.sqrt(reach)

    s, t = (1.0 if one[0] >= 0 else -1.0 for one in ends)
    low = min(end(s, -1.0, -1.0), end(s, 1.0, -1.0), value)
    high = max(end(1.0, -t, 1.0), end(-1.0, -t, 1.0), value)
    return Change(was[0], now[0], value, low, high, scale, n, None)


def _p(change: Change, confidence: float) -> float | None:
    """About the level at which the interval would just hold no change."""
    if change.value is None or change.low is None or change.high is None:
        return None
    z = float(stats.norm.ppf(1 - (1 - confidence) / 2))
    reach = change.value - change.low if change.value > 0 else change.high - change.value
    if reach <= 0:
        return 1.0 if change.value == 0 else 0.0
    return float(2 * stats.norm.sf(z * abs(change.value) / reach))


def _holm(ordered: list[float]) -> list[float]:
    found, worst = [], 0.0
    for place, p in enumerate(ordered):
        worst = max(worst, min(1.0, (len(ordered) - place) * p))
        found.append(worst)
    return found


def _way(change: Change) -> str:
    return "better" if change.value is not None and change.value > 0 else "worse"


def _how(first: AuditResult, second: AuditResult, matched: Matched | None) -> str:
    if matched is not None:
        return f"paired: {len(matched.rows):,} rows with the same id, label and groups in both"
    said = "independent: row by row nothing is known of the two, so they are taken as different people"
    if first.data.digest is not None and first.data.digest == second.data.digest:
        return f"{said}; their data is the same file, so intervals are wider than they need be"
    return said


def _differences(first: AuditResult, second: AuditResult) -> list[NotMeasured]:
    found = []
    if first.policy.digest != second.policy.digest:
        found.append(NotMeasured("policy", "the two were judged by different policy files"))
    if first.data.digest != second.data.digest:
        found.append(NotMeasured("data", "the two were audited on different data"))
    bounds = {rule.id: (rule.lower, rule.upper) for rule in first.policy.rules}
    for rule in second.policy.rules:
        if rule.id in bounds and bounds[rule.id] != (rule.lower, rule.upper):
            found.append(NotMeasured(f"rule {rule.id}", "its bound is another; verdicts do not compare"))
    if first.system.model != second.system.model:
        found.append(NotMeasured("model", "another model file"))
    if first.tool_version != second.tool_version:
        found.append(NotMeasured("harm-audit", f"{first.tool_version}, then {second.tool_version}"))
    return found


def _words(key: Key) -> str:
    rule, metric, comparison, grouping, group, _ = key
    return f"{rule}: {metric} {comparison} of {group} ({' × '.join(grouping)})"

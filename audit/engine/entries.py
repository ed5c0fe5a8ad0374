"""Comparisons as arrays: what each compares, and their evaluation in a few vectorised batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from audit.engine import evidence, sampling
from audit.engine.decode import finite
from audit.engine.findings import ranked
from audit.engine.groups import Floats
from audit.engine.many import AgainstBest, EveryPair
from audit.result import Comparison, Group, Policy, Rule

Evidence = Any
BUILDERS: dict[str, Callable[..., Evidence]] = {
    "rates:difference": lambda x1, n1, x2, n2, deff, df, share: evidence.Overall(
        evidence.TwoRates(x1, n1, x2, n2, "difference", deff, df), share, "difference"
    ),
    "rates:ratio": lambda x1, n1, x2, n2, deff, df, share: evidence.Overall(
        evidence.TwoRates(x1, n1, x2, n2, "ratio", deff, df), share, "ratio"
    ),
    "rate": evidence.OneRate,
    "mean": evidence.Linearised,
    "log": evidence.LogLinearised,
    "auc": evidence.Auc,
    "best:difference": partial(AgainstBest, kind="difference"),
    "best:ratio": partial(AgainstBest, kind="ratio"),
    "pairs": EveryPair,
    "auc:difference": lambda *parts: evidence.AucDifference(
        evidence.Auc(*parts[:6]), evidence.Auc(*parts[6:])
    ),
}
"""How the arrays of an entry become evidence; entries of one key are evaluated together."""


@dataclass(frozen=True)
class Entry:
    """The comparisons of one rule and metric in one grouping, an array entry each.

    `key` names a builder and `args` its arrays, or `made` is the evidence itself where it cannot be
    joined with others'.
    """

    rule: Rule
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    groups: tuple[Group, ...]
    references: tuple[str, ...]
    value: Floats
    why: tuple[str | None, ...]
    n: Floats
    reference_n: Floats | None
    blocked: tuple[str | None, ...]
    reported: tuple[bool, ...]
    key: str
    args: tuple[Floats, ...] = ()
    made: Evidence = None
    by_point: tuple[str | None, ...] | None = None
    strata: tuple[Group | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.groups)


@dataclass
class _Row:
    """The evaluated arrays of one entry."""

    p_pass: Floats
    p_violation: Floats
    plain: tuple[Floats, Floats]
    passing: tuple[Floats, Floats]
    evidence: Evidence
    place: slice
    needed: tuple[Floats, Floats] = field(default_factory=lambda: (np.zeros(0), np.zeros(0)))


def compare(entries: list[Entry], policy: Policy) -> tuple[Comparison, ...]:
    """Evaluate every entry: p values, the intervals that go with them, rows needed."""
    rows = _evaluate(entries, policy)
    drafts = [draft for entry, row in zip(entries, rows, strict=True) for draft in _drafts(entry, row)]
    levels = np.full(len(drafts), np.nan)
    for index, rank, rejected, m in ranked(drafts, policy):
        levels[index] = 2 * policy.alpha / (m - min(rank, rejected + 1) + 1)
    done: list[Comparison] = []
    start = 0
    for part, chunk in _by_evidence(rows, levels):
        _violation_intervals(part, chunk)
    for entry, row in zip(entries, rows, strict=True):
        low, high = row.violation  # type: ignore[attr-defined]
        for offset in range(len(entry)):
            tested = drafts[start + offset].p_violation is not None
            done.append(
                replace(
                    drafts[start + offset],
                    violation_low=finite(low[offset]) if tested else None,
                    violation_high=finite(high[offset]) if tested else None,
                )
            )
        start += len(entry)
    return tuple(done)


def _by_evidence(rows: list[_Row], levels: Floats) -> list[tuple[list[_Row], list[Floats]]]:
    """Rows that share evidence, with the levels of each."""
    shared: dict[int, tuple[list[_Row], list[Floats]]] = {}
    start = 0
    for row in rows:
        size = row.place.stop - row.place.start
        part = shared.setdefault(id(row.evidence), ([], []))
        part[0].append(row)
        part[1].append(levels[start : start + size])
        start += size
    return list(shared.values())


def _violation_intervals(rows: list[_Row], levels: list[Floats]) -> None:
    wanted = np.concatenate(levels)
    low, high = rows[0].evidence.interval(np.where(np.isnan(wanted), 0.1, wanted))
    for row in rows:
        row.violation = (low[row.place], high[row.place])  # type: ignore[attr-defined]


def _evaluate(entries: list[Entry], policy: Policy) -> list[_Row]:
    rows: list[_Row | None] = [None] * len(entries)
    family = _family_sizes(entries, policy)
    batches: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        batches[entry.key if entry.made is None else f"made {index}"].append(index)
    for members in batches.values():
        chosen = [entries[index] for index in members]
        made = chosen[0].made
        if made is None:
            columns = zip(*(entry.args for entry in chosen), strict=True)
            made = BUILDERS[chosen[0].key](*(np.concatenate(column) for column in columns))
        for index, row in zip(members, _split(chosen, made, policy, family), strict=True):
            rows[index] = row
    return [row for row in rows if row is not None]


def _family_sizes(entries: list[Entry], policy: Policy) -> dict[str, int]:
    """How many comparisons a violation of each rule is adjusted for."""
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        sizes[entry.rule.id] += len(entry)
    whole = sum(sizes.values())
    return {rule: whole if policy.family == "policy" else size for rule, size in sizes.items()}


def _split(chosen: list[Entry], made: Evidence, policy: Policy, family: dict[str, int]) -> list[_Row]:
    sizes = [len(entry) for entry in chosen]
    lower = np.repeat([-np.inf if e.rule.lower is None else e.rule.lower for e in chosen], sizes)
    upper = np.repeat([np.inf if e.rule.upper is None else e.rule.upper for e in chosen], sizes)
    passing, violating = made.p_pass(lower, upper), made.p_violation(lower, upper)
    levels = np.array([[1 - policy.confidence], [2 * policy.alpha]]) * np.ones(sum(sizes))
    lows, highs = made.interval(levels)
    plain, at_pass = (lows[0], highs[0]), (lows[1], highs[1])
    adjusted = policy.alpha / np.repeat([family[e.rule.id] for e in chosen], sizes)
    needed = _needed(chosen, made, lower, upper, plain, (policy.alpha, adjusted))
    rows, start = [], 0
    for size in sizes:
        place = slice(start, start + size)
        rows.append(
            _Row(
                passing[place],
                violating[place],
                (plain[0][place], plain[1][place]),
                (at_pass[0][place], at_pass[1][place]),
                made,
                place,
                (needed[0][place], needed[1][place]),
            )
        )
        start += size
    return rows


def _needed(
    chosen: list[Entry],
    made: Evidence,
    lower: Floats,
    upper: Floats,
    plain: tuple[Floats, Floats],
    levels: tuple[float, Floats],
) -> tuple[Floats, Floats]:
    """Rows needed in the present mix, and by the group alone (NaN where that is not worked out).

    `levels` are those of a pass, which an estimate inside the band would come to, and of a violation.
    """
    estimate = np.concatenate([entry.value for entry in chosen])
    with np.errstate(invalid="ignore"):
        outside = (estimate < lower) | (estimate > upper)
    level = np.where(outside, levels[1], levels[0])
    if chosen[0].key.startswith("rates:") and isinstance(made, evidence.Overall):
        back = (made._back(lower), made._back(upper))
        rest = made.rest
        assert isinstance(rest, evidence.TwoRates)
        return sampling.two_rates_needed(rest, back[0], back[1], level)  # type: ignore[arg-type]
    with np.errstate(invalid="ignore"):
        se = (plain[1] - plain[0]) / 4
    n = np.concatenate([e.n if e.reference_n is None else e.n + e.reference_n for e in chosen])
    more = sampling.rows_needed(estimate, se, lower, upper, n, level)
    return more, np.full(len(estimate), np.nan)


def _drafts(entry: Entry, row: _Row) -> list[Comparison]:
    testable = np.isfinite(row.p_pass) & np.isfinite(row.p_violation)
    drafts = []
    for index, group in enumerate(entry.groups):
        tested = bool(testable[index])
        defined = bool(np.isfinite(entry.value[index]))
        rows, note = _needed_words(row.needed[0][index], row.needed[1][index], tested)
        drafts.append(
            Comparison(
                rule=entry.rule.id,
                metric=entry.metric,
                comparison=entry.comparison,
                grouping=entry.grouping,
                group=group,
                reference=entry.references[index],
                value=float(entry.value[index]) if defined else None,
                low=finite(row.plain[0][index]) if tested else None,
                high=finite(row.plain[1][index]) if tested else None,
                n=float(entry.n[index]),
                reference_n=None if entry.reference_n is None else float(entry.reference_n[index]),
                p_pass=float(row.p_pass[index]) if tested else None,
                p_violation=float(row.p_violation[index]) if tested else None,
                pass_low=finite(row.passing[0][index]) if tested else None,
                pass_high=finite(row.passing[1][index]) if tested else None,
                violation_low=None,
                violation_high=None,
                blocked=entry.blocked[index],
                reported_only=entry.reported[index],
                by_point=None if entry.by_point is None else entry.by_point[index],
                rows_needed=rows,
                rows_needed_note=note,
                why=None if defined else (entry.why[index] or "undefined"),
                stratum=None if entry.strata is None else entry.strata[index],
            )
        )
    return drafts


MOST_ROWS = 1e8
"""More rows than this nobody will gather: the estimate lies all but on the bound."""


def _needed_words(more: float, alone: float, tested: bool) -> tuple[int | None, str | None]:
    if not tested:
        return None, None
    if not np.isfinite(more) or more > MOST_ROWS:
        return None, "cannot say, the estimate lies on the bound or all but on it"
    if more < 1:
        return None, "as many as there are would mostly do; this draw of them did not"
    if np.isnan(alone):
        return int(more), "in the present mix"
    if np.isinf(alone) or alone > MOST_ROWS:
        return int(more), "in the present mix; not by this group alone"
    return int(more), f"in the present mix; {int(alone):,} of this group alone"

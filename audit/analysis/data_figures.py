"""Each figure of one attribute in a table before training: shares, labels, features, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.analysis import distances
from audit.analysis.association import Strength, correlation_ratio, cramers_v
from audit.analysis.data_report import Measure
from audit.analysis.dataset import Column, Dataset
from audit.analysis.tallies import Tally, group_sums, missing_by_group
from audit.engine.evidence import TwoRates
from audit.engine.intervals import clopper_pearson, wilson
from audit.errors import UsageError
from audit.result import group_name

Floats = npt.NDArray[np.float64]
REST = "rest"


@dataclass(frozen=True, slots=True)
class Options:
    """How sure intervals are, and how the attributes are guessed at."""

    confidence: float = 0.95
    sample: int = 20_000
    seed: int = 0


@dataclass(frozen=True)
class Examined:
    """One attribute under examination."""

    dataset: Dataset
    name: str
    groups: tuple[str | None, ...]
    rows: Floats
    reference: int | None
    """The reference group's place; None is the rest."""
    options: Options

    def measure(
        self, metric: str, found: Strength, group: int | None = None, column: str | None = None
    ) -> Measure:
        """A figure with its place."""
        against = None if group is None else self.against
        words = None if group is None else group_name((self.groups[group],))
        return Measure(
            metric, self.name, words, against, column, found.value, found.low, found.high, found.n, found.why
        )

    @property
    def against(self) -> str:
        """The reference in words."""
        return REST if self.reference is None else group_name((self.groups[self.reference],))

    def sides(self, table: Floats) -> Iterator[tuple[int, Floats, Floats]]:
        """(group, its column, the reference's column) of a table (…, groups), the reference left out."""
        for at in range(len(self.groups)):
            if self.reference is None:
                if len(self.groups) > 1:
                    yield at, table[..., at], table.sum(axis=-1) - table[..., at]
            elif at != self.reference:
                yield at, table[..., at], table[..., self.reference]


def representation(one: Examined, shares: dict[str, float] | None) -> list[Measure]:
    """The group's share of the rows whose group is known, less its share of the population."""
    if shares is None:
        return []
    known = {group: n for group, n in zip(one.groups, one.rows, strict=True) if group is not None}
    total = sum(known.values())
    made = []
    for group in sorted({*known, *shares}):
        n = known.get(group, 0.0)
        if group not in shares:
            found = Strength.undefined("the population shares do not name it", n)
        elif total == 0:
            found = Strength.undefined("the attribute is missing in every row", n)
        else:
            low, high = clopper_pearson(n, total, 1 - one.options.confidence)
            share = shares[group]
            found = Strength(n / total - share, float(low) - share, float(high) - share, n)
        made.append(
            Measure(
                "representation_gap",
                one.name,
                group_name((group,)),
                "population",
                None,
                found.value,
                found.low,
                found.high,
                found.n,
                found.why,
            )
        )
    return made


def imbalance(one: Examined) -> list[Measure]:
    made = []
    for at, mine, theirs in one.sides(one.rows):
        n, m = float(mine), float(theirs)
        if n + m == 0:
            made.append(one.measure("class_imbalance", Strength.undefined("neither side has rows"), at))
            continue
        low, high = wilson(m, n + m, 1 - one.options.confidence)
        found = Strength((m - n) / (n + m), 2 * float(low) - 1, 2 * float(high) - 1, n)
        made.append(one.measure("class_imbalance", found, at))
    return made


def _rates(mine: tuple[float, float], theirs: tuple[float, float], confidence: float, what: str) -> Strength:
    """The difference of two shares, each its numerator and denominator."""
    (k, n), (other_k, other_n) = ((float(one), float(all_)) for one, all_ in (mine, theirs))
    if n == 0 or other_n == 0:
        side = "the group" if n == 0 else "whom it is held against"
        return Strength.undefined(f"no {what} in {side}", n)
    low, high = TwoRates(k, n, other_k, other_n, "difference").interval(1 - confidence)
    value = k / n - other_k / other_n
    return Strength(value, float(np.ravel(low)[0]), float(np.ravel(high)[0]), n)


def of_label(one: Examined, table: Tally, label: Column, positive: str | None) -> list[Measure]:
    made = []
    confidence = one.options.confidence
    guessed = positive
    if guessed is None and label.kind == "levels":
        plain = [level for level in table.levels if level in ("1", "1.0", "true", "True")]
        guessed = plain[0] if label.distinct == 2 and len(plain) == 1 else None
    if guessed is not None:
        values = table.levels if table.values is None else tuple(f"{v:g}" for v in table.values)
        place = next((at for at, level in enumerate(values) if _same(level, guessed)), None)
        if place is None:
            raise UsageError(
                f"no row has the label {guessed!r}; it has: {', '.join(str(v) for v in values[:12])}",
                where=f"label {label.name}",
                hint="Name the positive value as it is written in the data.",
            )
        for at, mine, theirs in one.sides(np.vstack([table.known[place], table.known.sum(axis=0)])):
            found = _rates((mine[0], mine[1]), (theirs[0], theirs[1]), confidence, "labelled row")
            made.append(one.measure("label_rate_gap", found, at, label.name))
    return made + _distances(one, table, label.name)


def _same(level: str | None, wanted: str) -> bool:
    if level == wanted:
        return True
    try:
        return level is not None and float(level) == float(wanted)
    except ValueError:
        return False


def _distances(one: Examined, table: Tally, column: str) -> list[Measure]:
    names = distances.LEVELS if table.values is None else distances.ORDERED
    counts = table.counts if table.values is None else table.known
    made = []
    for at, mine, theirs in one.sides(counts):
        found = distances.compare(
            names,
            mine,
            theirs,
            values=table.values,
            confidence=one.options.confidence,
            seed=one.options.seed,
        )
        made += [one.measure(name, found[name], at, column) for name in names]
    return made


def of_features(one: Examined, tallies: dict[str, Tally]) -> list[Measure]:
    dataset, confidence, seed = one.dataset, one.options.confidence, one.options.seed
    numbers = tuple(column for column in dataset.features if column.kind == "number")
    sums = group_sums(dataset, one.name, numbers, one.groups)
    known = [at for at, group in enumerate(one.groups) if group is not None]
    made = []
    for column in dataset.features:
        table = tallies[column.name]
        if column.kind == "number":
            found = correlation_ratio(sums[column.name], confidence=confidence, seed=seed)
            made.append(one.measure("correlation_ratio", found, None, column.name))
        else:
            found = cramers_v(table.counts[:, known], confidence=confidence, seed=seed)
            made.append(one.measure("cramers_v", found, None, column.name))
        made += _distances(one, table, column.name)
    gappy = tuple(column for column in dataset.columns if column.missing and column.kind != "left out")
    for name, missing in missing_by_group(dataset, one.name, gappy, one.groups).items():
        for at, mine, theirs in one.sides(np.vstack([missing, one.rows])):
            found = _rates((mine[0], mine[1]), (theirs[0], theirs[1]), confidence, "row")
            made.append(one.measure("missingness_gap", found, at, name))
    return made


def restates(one: Examined, table: Tally, column: Column) -> bool:
    """Whether each of the column's values goes with one group, and it is not that each goes with one row."""
    known = [at for at, group in enumerate(one.groups) if group is not None]
    counts = table.known[:, known]
    filled = counts.sum(axis=1) > 0
    alone = bool(((counts > 0).sum(axis=1)[filled] == 1).all())
    several = int((counts.sum(axis=0) > 0).sum()) > 1
    return alone and several and counts.sum() >= 2 * filled.sum() and column.kind == "levels"

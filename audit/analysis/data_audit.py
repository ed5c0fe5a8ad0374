"""The audit of a table before training: who is in it, how groups differ, what gives them away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from audit import __version__
from audit.analysis import guessing
from audit.analysis.association import Strength
from audit.analysis.data_figures import (
    REST,
    Examined,
    Options,
    imbalance,
    of_features,
    of_label,
    representation,
    restates,
)
from audit.analysis.data_report import SCHEMA_VERSION, DataReport, Groups, Measure
from audit.analysis.dataset import Column, Dataset
from audit.analysis.overlap import Overlap
from audit.analysis.tallies import group_rows, tally
from audit.engine.intervals import wilson
from audit.errors import UsageError
from audit.registry import nearest
from audit.result import Exclusion, NotMeasured, group_name
from audit.spec.population import Shares


def examine(
    dataset: Dataset,
    *,
    population: Shares | None = None,
    shared: Overlap | None = None,
    options: Options | None = None,
    notes: tuple[str, ...] = (),
) -> DataReport:
    """Every figure of a table before training.

    Groups are held against the spec's reference where it names a group or `largest`, else against the
    rest. Errors: UsageError for an attribute of too many values or a reference that does not occur.
    """
    options = options or Options()
    of = [_attribute(dataset, name, options) for name in dataset.spec.data.attributes]
    measures: list[Measure] = []
    restated: dict[str, tuple[str, ...]] = {}
    positive, why = _positive(dataset)
    for one in of:
        measures += representation(one, (population or {}).get(one.name))
        measures += imbalance(one)
        tallies = {column.name: tally(dataset, one.name, column, one.groups) for column in _counted(dataset)}
        if dataset.label is not None and dataset.label.kind != "left out":
            measures += of_label(one, tallies[dataset.label.name], dataset.label, positive)
        restated[one.name] = tuple(
            column.name for column in dataset.features if restates(one, tallies[column.name], column)
        )
        measures += of_features(one, tallies)
    sampled, guessed = _guesses(dataset, of, restated, options)
    measures += guessed
    measures += _overlap(shared, options)
    return DataReport(
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        source=dataset.source.name,
        digest=dataset.source.digest,
        rows_read=dataset.rows_read,
        rows=dataset.rows,
        excluded=tuple(
            Exclusion(reason, rows, dataset.source.rejected_lines if reason.startswith("unreadable") else ())
            for reason, rows in dataset.excluded
        ),
        confidence=options.confidence,
        seed=options.seed,
        sample=options.sample,
        sampled=sampled,
        label=dataset.spec.data.columns.label,
        positive=positive,
        attributes=tuple(_groups(one, restated[one.name]) for one in of),
        columns=dataset.columns,
        measures=tuple(measures),
        not_measured=tuple(_not_measured(dataset, population, shared, why)),
        notes=(*notes, *dataset.source.notes),
    )


KEYWORDS = ("largest", REST, "overall", "best")


def _attribute(dataset: Dataset, name: str, options: Options) -> Examined:
    groups, rows = group_rows(dataset, name)
    wanted = str(dataset.spec.data.attributes[name].reference)
    reference: int | None = None
    if wanted not in (*KEYWORDS, *groups):
        near = nearest(wanted, [group for group in groups if group is not None])
        raise UsageError(
            f"attribute {name!r} has no group {wanted!r}, its reference",
            where=f"data.attributes.{name}.reference",
            hint=f"Did you mean {near}?" if near else "Name a group, or rest.",
        )
    if wanted in groups:
        reference = groups.index(wanted)
    elif wanted == "largest" or len(groups) == 2:
        known = [at for at, group in enumerate(groups) if group is not None] or [0]
        reference = max(known, key=lambda at: (rows[at], -at))
    return Examined(dataset, name, groups, rows, reference, options)


def _groups(one: Examined, restated: tuple[str, ...]) -> Groups:
    names = tuple(group_name((group,)) for group in one.groups)
    return Groups(one.name, one.against, names, tuple(int(n) for n in one.rows), restated)


def _counted(dataset: Dataset) -> tuple[Column, ...]:
    label = dataset.label
    return (*dataset.features, *((label,) if label is not None and label.kind != "left out" else ()))


def _positive(dataset: Dataset) -> tuple[str | None, str | None]:
    """The label's positive value, or why there is none."""
    label = dataset.label
    if label is None:
        return None, "no label is named"
    named = dataset.spec.data.positive_label
    if named is not None:
        return named, None
    if label.kind == "levels" and label.distinct == 2:
        return None, "which value of the label is positive is not said"
    return None, f"the label has {label.distinct} values and none is named positive"


def _guesses(
    dataset: Dataset, of: list[Examined], restated: dict[str, tuple[str, ...]], options: Options
) -> tuple[int, list[Measure]]:
    if dataset.times() is not None:
        why = Strength.undefined("rows stand for counted people, and are not drawn singly")
        return 0, [one.measure("proxy_auc", why) for one in of]
    features = dataset.features
    frame = guessing.draw(dataset, features, options.sample, options.seed)
    made = []
    for number, one in enumerate(of):
        raw = frame[f"a{number}"]
        absent = raw.isna().to_numpy()
        groups = np.array(
            [
                None if gone else dataset.group(one.name, value)
                for value, gone in zip(raw, absent, strict=True)
            ],
            dtype=object,
        )
        columns = tuple(
            (f"f{at}", column) for at, column in enumerate(features) if column.name not in restated[one.name]
        )
        found = guessing.guess_groups(
            frame, groups, columns, confidence=options.confidence, seed=options.seed
        )
        for name, strength in found.items():
            place = one.groups.index(name) if name else None
            measure = one.measure("proxy_auc", strength, place)
            made.append(measure if place is None else replace(measure, against=REST))
    return len(frame), made


def _overlap(shared: Overlap | None, options: Options) -> list[Measure]:
    if shared is None:
        return []
    made = []
    for column, same in (("all columns", shared.same), ("all but the label", shared.same_features)):
        if shared.rows == 0:
            found = Strength.undefined("the test set has no rows")
        else:
            low, high = wilson(same, shared.rows, 1 - options.confidence)
            found = Strength(same / shared.rows, float(low), float(high), shared.rows)
        made.append(
            Measure(
                "test_overlap",
                None,
                None,
                None,
                column,
                found.value,
                found.low,
                found.high,
                found.n,
                found.why,
            )
        )
    return made


def _not_measured(
    dataset: Dataset, population: Shares | None, shared: Overlap | None, no_positive: str | None
) -> Iterator[NotMeasured]:
    if not population:
        yield NotMeasured("Representation gap", "no population shares were given")
    else:
        for name in dataset.spec.data.attributes:
            if name not in population:
                yield NotMeasured(f"Representation gap of {name}", "no population shares of it were given")
    if no_positive is not None:
        yield NotMeasured("Label-rate gap", no_positive)
    if shared is None:
        yield NotMeasured("Overlap of training and test rows", "no test set was given")
    if dataset.spec.data.columns.weight is not None:
        yield NotMeasured("Weighted shares", "weights are not used here: every row counts once")
    for column in dataset.columns:
        if column.kind == "left out":
            yield NotMeasured(f"Column {column.name}", column.why or "left out")

"""Every grouping's sums and every metric's values in it, each worked out once."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.engine import scored as score_tables
from audit.engine import selective
from audit.engine.cells import Cells
from audit.engine.counts import Counts
from audit.engine.groups import MISSING, Floats, Groups, Index, exact_sum, place, tabulate
from audit.engine.metrics import decisions, score_distances, scores
from audit.engine.metrics.sample import LEAST_ROWS, Flags, Mean, Rate, Sample
from audit.engine.scored import Scored, by_tenth, tabulate_scores
from audit.engine.tasks.multiclass import one_against_rest, right_or_wrong
from audit.registry import Metric, metric_named, metrics, split_class, with_class
from audit.result import group_name

if TYPE_CHECKING:
    from audit.spec import AuditSpec

WHOLE = ("count", "share_of_population", "accuracy", "error_rate")
"""Metrics of the decision family that are not taken of one class."""
RIGHT = {"accuracy": "true_positive_rate", "error_rate": "false_negative_rate"}
COVERAGE_GAP = 0.05
"""Label coverage that differs by more than this between groups or predictions blocks a pass."""
SCORE_NEEDS = (
    *("calibration_in_the_large", "calibration_slope", "brier", "log_loss", "expected_calibration_error"),
    *("mean_score", "balance_for_positive_class", "balance_for_negative_class"),
)


@dataclass(frozen=True)
class Strata:
    """A rate by (group, stratum): numerator and denominator in effective rows, and by cluster bucket.

    `thin` where under ten weighted rows stand in numerator or complement.
    """

    k: Floats
    n: Floats
    thin: Flags
    bucket_k: Floats
    bucket_n: Floats

    @staticmethod
    def of(sample: Rate, groups: int, strata: int) -> Strata:
        """A flat sample, laid out."""
        k, n, bucket_k, bucket_n = (
            part.reshape(groups, strata, *part.shape[1:])
            for part in (sample.x, sample.size, sample.bucket_k, sample.bucket_n)
        )
        return Strata(k, n, sample.thin.reshape(groups, strata), bucket_k, bucket_n)

    def take(self, index: Index) -> Strata:
        """The groups at these places."""
        return Strata(
            self.k[index], self.n[index], self.thin[index], self.bucket_k[index], self.bucket_n[index]
        )


class Tables:
    """Groups, score tables and samples by grouping, from the counts."""

    def __init__(self, counts: Counts, depth: int, spec: AuditSpec | None = None) -> None:
        self.counts = counts
        self.spec = spec
        self.groupings: tuple[tuple[str, ...], ...] = tuple(
            grouping
            for size in range(1, min(depth, len(counts.attributes)) + 1)
            for grouping in itertools.combinations(counts.attributes, size)
        )
        self._groups: dict[tuple[tuple[str, ...], tuple[str, ...], str | None], Groups] = {}
        self._largest: dict[tuple[str, ...], int] = {}
        self._scored: dict[tuple[str, ...], Scored] = {}
        self._scored_rest: dict[tuple[str, ...], Scored] = {}
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._samples: dict[tuple[str, tuple[str, ...], str], Sample] = {}

    def cached(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """What `make` gives, worked out once; a family keeps its own tables here."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    @cached_property
    def roles(self) -> frozenset[str]:
        """label, prediction, score: those that some audited row has; utility where the spec gives it."""
        cells = self.counts.cells[0]
        found = {key for key in ("label", "prediction") if np.any(cells.keys[key] >= 0)}
        valued = self.spec is not None and self.spec.system.utility is not None
        if self.counts.task == "ranking":
            found |= {"query"} | ({"relevance"} if cells.sums["relevant"].any() else set())
        return frozenset(
            found | ({"score"} if self.counts.scores else set()) | ({"utility"} if valued else set())
        )

    @property
    def task(self) -> str:
        """What the audited system does, as the registry's TASKS name it."""
        return "binary" if self.spec is None else self.spec.data.task_named

    @cached_property
    def unit_scores(self) -> bool:
        """Whether scores lie in [0, 1]."""
        return all(
            bool((cells.keys["tenth"] >= 0)[cells.keys["bin"] >= 0].all()) for cells in self.counts.scores
        )

    def cells(self, grouping: tuple[str, ...], kind: str = "cells") -> Cells:
        """The table of cells that has the grouping's attributes."""
        found = self.counts.covering(grouping, kind)
        if found is None:
            raise KeyError(f"no counts by {grouping}")
        return found

    def groups(
        self, grouping: tuple[str, ...], stratum: tuple[str, ...] = (), of_class: str | None = None
    ) -> Groups:
        """Label × prediction sums by group, and by stratum where one is named.

        Of several classes: the one named against the rest; where none is, rows alone.
        """
        key = (grouping, stratum, of_class)
        if key not in self._groups:
            cells = self.cells(grouping)
            if self.counts.classes:
                chosen = None if of_class is None else self.counts.classes.index(of_class)
                cells = one_against_rest(cells, chosen)
            self._groups[key] = tabulate(cells, grouping, stratum)
        return self._groups[key]

    def named(self, metric: str) -> tuple[str, ...]:
        """The metric, or, of several classes and none named, the metric of each class.

        Accuracy, and what asks after rows alone, is not of a class.
        """
        base, of_class = split_class(metric)
        by_class = metrics()[base].family == "decisions" and base not in WHOLE
        if not self.counts.classes or of_class is not None or not by_class:
            return (metric,)
        return tuple(with_class(base, name) for name in self.counts.classes)

    def largest(self, grouping: tuple[str, ...]) -> int:
        """The place of the group with the most rows, the first by name of several; missing values last."""
        if grouping not in self._largest:
            groups, rows = self.groups(grouping).groups, self.groups(grouping).rows
            known = [i for i, group in enumerate(groups) if None not in group] or range(len(groups))
            self._largest[grouping] = min(known, key=lambda i: (-rows[i], group_name(groups[i])))
        return self._largest[grouping]

    def scored(self, grouping: tuple[str, ...]) -> Scored:
        """Score sums by group."""
        if grouping not in self._scored:
            cells = self.cells(grouping, "scores")
            tenths = self.cached(("by_tenth", cells.names), lambda: by_tenth(cells))
            self._scored[grouping] = tabulate_scores(cells, tenths, grouping, len(self.counts.edges) - 1)
        return self._scored[grouping]

    def scored_rest(self, grouping: tuple[str, ...]) -> Scored:
        """Score sums of everyone else, for each group."""
        if grouping not in self._scored_rest:
            self._scored_rest[grouping] = self.scored(grouping).rest()
        return self._scored_rest[grouping]

    def sample(self, metric: str, grouping: tuple[str, ...], side: str = "group") -> Sample:
        """The metric by group; with side `rest`, of everyone else for each group."""
        key = (metric, grouping, side)
        if key not in self._samples:
            self._samples[key] = self._measure(metric_named(metric), grouping, side)
        return self._samples[key]

    def _measure(self, metric: Metric, grouping: tuple[str, ...], side: str) -> Sample:
        groups = self.groups(grouping, of_class=split_class(metric.name)[1])
        if self.counts.classes and metric.name in RIGHT:
            return self._right_or_wrong(metric, grouping, side)
        if metric.name == "scoring_rate":
            return self._scoring_rate(metric, grouping, side)
        if metric.family == "decisions":
            return decisions.measure(metric, groups.rest() if side == "rest" else groups)
        if metric.family != "scores":
            measured: Sample = _family(metric.family).sample(metric, self, grouping, side)
            return measured
        table = self.scored(grouping)
        if metric.name in score_distances.NAMES:
            return score_distances.measure(metric, table, self.scored_rest(grouping))
        sample = scores.measure(metric, self.scored_rest(grouping) if side == "rest" else table)
        if metric.name in SCORE_NEEDS and not self.unit_scores:
            return sample.undefined_where(np.ones(len(sample), dtype=bool), "scores lie outside [0, 1]")
        if groups.buckets is not None and isinstance(sample, Mean) and metric.name in score_tables.SUMMED:
            return self._clustered(sample, metric.name, groups, side)
        return sample

    def _scoring_rate(self, metric: Metric, grouping: tuple[str, ...], side: str) -> Rate:
        """Rows above the median read as predictions, so that one formula serves both."""
        cells = self.cells(grouping, "above")
        as_predictions = replace(cells, keys={**cells.keys, "prediction": cells.keys["bin"]})
        groups = tabulate(as_predictions, grouping)
        selection = replace(
            metrics()["selection_rate"], name=metric.name, denominator_words=metric.denominator_words
        )
        return decisions.rate(selection, groups.rest() if side == "rest" else groups)

    def _right_or_wrong(self, metric: Metric, grouping: tuple[str, ...], side: str) -> Rate:
        """Accuracy of several classes, as the true positive rate of being right."""
        groups = tabulate(right_or_wrong(self.cells(grouping)), grouping)
        like = replace(metrics()[RIGHT[metric.name]], denominator_words=metric.denominator_words)
        made = decisions.rate(like, groups.rest() if side == "rest" else groups)
        return made.undefined_where(self.unlabelled_class(grouping, side), decisions.SELECTIVE)

    def labelled(self, grouping: tuple[str, ...]) -> tuple[Floats, Floats]:
        """Rows, and rows with a label, by group and prediction: 0, 1 and missing, or one of the classes."""
        if not self.counts.classes:
            n = self.groups(grouping).n
            return n.sum(axis=1), n[:, :MISSING, :].sum(axis=1)
        cells = self.cells(grouping)
        index, groups = place(cells, grouping)
        shape = (len(groups), len(self.counts.classes))
        n, prediction = cells.sums["n"].astype(np.float64), cells.keys["prediction"]
        rows, known = np.zeros(shape), np.zeros(shape)
        held = prediction >= 0
        np.add.at(rows, (index[held], prediction[held]), n[held])
        held &= cells.keys["label"] >= 0
        np.add.at(known, (index[held], prediction[held]), n[held])
        return rows, known

    def unlabelled_class(self, grouping: tuple[str, ...], side: str) -> Flags:
        """Groups in which a class is predicted of LEAST_ROWS rows or more, and none of them has a label."""
        rows, known = self.labelled(grouping)
        if side == "rest":
            rows, known = rows.sum(axis=0) - rows, known.sum(axis=0) - known
        found: Flags = ((rows >= LEAST_ROWS) & (known == 0)).any(axis=1)
        return found

    def _clustered(self, sample: Mean, metric: str, groups: Groups, side: str) -> Mean:
        sums, rows = score_tables.bucket_means(self.cells(groups.grouping), groups, metric)
        if side == "rest":
            sums, rows = sums.sum(axis=0) - sums, rows.sum(axis=0) - rows
        with np.errstate(invalid="ignore", divide="ignore"):
            leave = (sums.sum(axis=1, keepdims=True) - sums) / (rows.sum(axis=1, keepdims=True) - rows)
        return replace(sample, leave_out=leave, occupied=rows > 0)

    def strata(
        self, metric: str, grouping: tuple[str, ...], side: str = "group"
    ) -> tuple[tuple[tuple[str | None, ...], ...], Strata]:
        """The control columns' strata, and the metric by (group, stratum); side `rest`: everyone else's."""
        flat = self.groups(grouping, self.counts.control, split_class(metric)[1])
        groups = self.groups(grouping).groups
        width = len(grouping)
        seen = {group[width:] for group in flat.groups}
        names = tuple(sorted(seen, key=lambda s: [(v is None, v or "") for v in s]))
        row = {group: index for index, group in enumerate(groups)}
        column = {stratum: index for index, stratum in enumerate(names)}
        places = [row[both[:width]] * len(names) + column[both[width:]] for both in flat.groups]
        cells = np.array(places, dtype=np.int64)
        whole = flat.spread(cells, len(groups), len(names), rest=side == "rest")
        return names, Strata.of(decisions.rate(metric_named(metric), whole), len(groups), len(names))

    @cached_property
    def uneven_labels(self) -> str | None:
        """Why labels are too unevenly present over groups and predictions for a pass, or None."""
        by_group = self.uneven_where(slice(None), "prediction")
        if by_group or self.task != "regression" or "label" not in self.roles:
            return by_group
        groupings = ((), *(grouping for grouping in self.groupings if len(grouping) == 1))
        histograms = [(grouping, self.cells(grouping, "histogram")) for grouping in groupings]
        return selective.over_predictions(histograms, self.cells(()).keys["label"] >= 0, COVERAGE_GAP)

    def uneven_where(self, predictions: slice, words: str) -> str | None:
        """As `uneven_labels`, over these predictions alone, which `words` names."""
        if "label" not in self.roles:
            return None

        def count(grouping: tuple[str, ...]) -> tuple[Floats, Floats]:
            rows, known = self.labelled(grouping)
            return rows[:, predictions], known[:, predictions]

        return self._uneven("label", f"{{}} and {words}", count)

    @cached_property
    def uneven_relevance(self) -> str | None:
        """Why relevance is too unevenly known for a pass, or None."""
        if "relevance" not in self.roles:
            return None
        return self._uneven("relevance", "{}", self._relevant)

    def _relevant(self, grouping: tuple[str, ...]) -> tuple[Floats, Floats]:
        cells = self.cells(grouping)
        index, groups = place(cells, grouping)
        rows, known = (
            exact_sum(cells.sums[name], index, len(groups)).astype(np.float64)[:, None]
            for name in ("n", "relevant")
        )
        return rows, known

    def _uneven(
        self, what: str, over: str, count: Callable[[tuple[str, ...]], tuple[Floats, Floats]]
    ) -> str | None:
        worst: tuple[float, str] = (0.0, "")
        for grouping in (grouping for grouping in self.groupings if len(grouping) == 1):
            rows, known = count(grouping)
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.where(rows >= LEAST_ROWS, known / rows, np.nan)
            if np.all(np.isnan(share)):
                continue
            low, high = float(np.nanmin(share)), float(np.nanmax(share))
            if high - low > worst[0]:
                words = f"{what} coverage runs from {low:.0%} to {high:.0%} over {over.format(grouping[0])}"
                worst = (high - low, words)
        return worst[1] if worst[0] > COVERAGE_GAP else None


@cache
def _family(name: str) -> Any:
    """The module of a family that reads the tables by itself: `sample(metric, tables, grouping, side)`."""
    return importlib.import_module(f"audit.engine.metrics.{name}")


def rows_of(counts: Counts, name: str) -> tuple[tuple[str | None, ...], Index]:
    """An attribute's values and its rows audited by value."""
    cells = counts.covering((name,))
    assert cells is not None
    index, groups = place(cells, (name,))
    rows = np.zeros(len(groups), dtype=np.int64)
    np.add.at(rows, index, cells.sums["n"].astype(np.int64))
    return tuple(group[0] for group in groups), rows

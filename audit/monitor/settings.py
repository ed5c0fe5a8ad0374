"""The `monitor:` section of the spec: how events are read, how long a window is, how rare alarms are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from audit.errors import SpecError
from audit.monitor.mapping import Attribute, Mapping
from audit.monitor.scores import ScoreWatch, score_watch
from audit.result import AuditResult
from audit.spec import AuditSpec
from audit.spec.values import seconds

YEAR = 365 * 86_400
_NAMES = (
    "id",
    "at",
    "person",
    "prediction",
    "score",
    "label",
    "revision",
    "label_at",
    "version",
    "kind",
    "source",
)
_YAML = {"at": "time", "label_at": "label_time"}
"""Where the key in the file differs from the field."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the monitor needs to know beside the audit's result."""

    mapping: Mapping
    window: int
    """Seconds in a window."""
    label_lag: int
    """Seconds after which a cohort's labels are taken to be in."""
    grace: int
    """Seconds that late predictions are waited for."""
    retention: int | None
    """Seconds that rows are kept; None is for ever."""
    false_alarms: float
    """The chance of any false alarm in a year, over all streams together."""
    tolerance: float
    """How far a group may move from its audited rate."""
    blocks: str
    """`auto` (settled on the baseline), `rows` or `window`."""
    scores: ScoreWatch | None = None
    no_scores: str = "the monitor has no baseline yet"
    """Why scores are not watched, where they are not."""

    @property
    def mean_run(self) -> float:
        """A, in windows: P(a false alarm within t windows) ≤ t/A, so a year's is at most `false_alarms`."""
        return YEAR / self.window / self.false_alarms

    def window_name(self, window: int) -> str:
        """When a window began: a day, or a day and a time where windows are shorter.

        >>> Settings(Mapping({}), 86400, 0, 0, None, 0.05, 0.02, "auto").window_name(20454)
        '2026-01-01'
        """
        try:
            at = datetime.fromtimestamp(window * self.window, UTC)
        except (ValueError, OverflowError, OSError):
            return f"window {window}"
        short, minutes = self.window % 86_400, self.window % 60
        return at.strftime("%Y-%m-%d" + (" %H:%M" + (":%S" if minutes else "") if short else ""))

    @property
    def attributes(self) -> tuple[str, ...]:
        """The parts of a cell's group, in order."""
        return tuple(self.mapping.attributes)


def read(spec: AuditSpec, result: AuditResult | None = None) -> Settings:
    """The settings of a spec; with the baseline's result, what it found positive is taken over."""
    said, columns = spec.monitor, spec.data.columns
    plain = Mapping(
        {
            name: Attribute(
                a.column, tuple(a.bins or ()), tuple(sorted((k, str(v)) for k, v in (a.map or {}).items()))
            )
            for name, a in spec.data.attributes.items()
        }
    )
    known = {
        "id": columns.id or plain.id,
        "at": columns.time or plain.at,
        "person": columns.cluster,
        "prediction": columns.prediction or (None if columns.score else plain.prediction),
        "score": columns.score if columns.prediction is None else None,
        "label": columns.label or plain.label,
    }
    fields = {
        name: getattr(said, key) if key in said.model_fields_set else known.get(name, getattr(plain, name))
        for name, key in ((name, _YAML.get(name, name)) for name in _NAMES)
    }
    if fields["id"] is None or fields["at"] is None:
        raise SpecError("an event needs an id and a time", where=spec.where("monitor"))
    positive = result.data.positive if result else {}
    mapping = replace(
        plain,
        **fields,
        watched=said.score or columns.score,
        chance=None if said.label_chance is None else said.label_chance.field,
        floor=0.0 if said.label_chance is None else said.label_chance.floor,
        form=said.format,
        inputs=said.inputs,
        threshold=plain.threshold if spec.data.threshold is None else float(spec.data.threshold),
        source_name=said.source_name or spec.system.name,
        positive_prediction=_positive(
            spec.data.positive_prediction, positive.get("prediction"), columns.prediction
        ),
        positive_label=_positive(spec.data.positive_label, positive.get("label"), columns.label),
    )
    made = Settings(
        mapping=mapping,
        window=seconds(said.window),
        label_lag=seconds(said.label_lag),
        grace=seconds(said.grace),
        retention=None if said.retention is None else seconds(said.retention),
        false_alarms=said.false_alarms,
        tolerance=said.tolerance,
        blocks=said.blocks,
    )
    return made if result is None else watching(made, *_scores(spec, mapping, result))


def watching(settings: Settings, scores: ScoreWatch | None, why: str = "") -> Settings:
    """The settings with scores watched so, or not at all."""
    if scores is None:
        return replace(settings, mapping=replace(settings.mapping, cuts=()), scores=None, no_scores=why)
    mapping = replace(settings.mapping, cuts=scores.cuts, unit_scores=scores.unit)
    return replace(settings, mapping=mapping, scores=scores)


def _scores(spec: AuditSpec, mapping: Mapping, result: AuditResult) -> tuple[ScoreWatch | None, str]:
    said = spec.monitor.scores
    if not said.watch:
        return None, "`monitor: {scores: {watch: false}}` says so"
    if mapping.watched is None:
        return None, "no field of the events is named as the score"
    return score_watch(result, cuts=said.cuts, at_most=said.at_most, severity=said.severity)


def _positive(said: str | None, found: str | None, column: str | None) -> str | None:
    return None if column is None else said or found

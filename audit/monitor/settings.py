"""The `monitor:` section of the spec: how events are read, how long a window is, how rare alarms are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from audit.errors import SpecError
from audit.monitor.events import Attribute, Mapping
from audit.registry import nearest
from audit.result import AuditResult
from audit.spec import AuditSpec

T = TypeVar("T")

YEAR = 365 * 86_400
FALSE_ALARMS_A_YEAR = 0.05
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
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

    @property
    def mean_run(self) -> float:
        """A, in windows: P(a false alarm within t windows) ≤ t/A, so a year's is at most `false_alarms`."""
        return YEAR / self.window / self.false_alarms

    @property
    def attributes(self) -> tuple[str, ...]:
        """The parts of a cell's group, in order."""
        return tuple(self.mapping.attributes)


def seconds(value: Any) -> int:
    """A duration in seconds: a number with s, m, h, d or w.

    >>> seconds("1d"), seconds("90 m"), seconds("2w")
    (86400, 5400, 1209600)
    """
    found = re.fullmatch(r"\s*(\d+)\s*([smhdw])\s*", str(value))
    if not found:
        raise ValueError("a duration is a whole number with s, m, h, d or w, as 30d")
    return int(found[1]) * _UNITS[found[2]]


def read(spec: AuditSpec, result: AuditResult | None = None) -> Settings:
    """The settings of a spec; with the baseline's result, what it found positive is taken over."""
    said = _Section(spec)
    columns = spec.data.columns
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
        name: said.take(_YAML.get(name, name), _name, known.get(name, getattr(plain, name)))
        for name in _NAMES
    }
    positive = result.data.positive if result else {}
    mapping = replace(
        plain,
        **fields,
        threshold=plain.threshold if spec.data.threshold is None else float(spec.data.threshold),
        source_name=said.take("source_name", _text, spec.system.name),
        positive_prediction=_positive(
            spec.data.positive_prediction, positive.get("prediction"), columns.prediction
        ),
        positive_label=_positive(spec.data.positive_label, positive.get("label"), columns.label),
    )
    found = Settings(
        mapping=mapping,
        window=said.take("window", _positive_seconds, 86_400),
        label_lag=said.take("label_lag", seconds, 0),
        grace=said.take("grace", seconds, 3_600),
        retention=said.take("retention", _positive_seconds, None),
        false_alarms=said.take("false_alarms", _share, FALSE_ALARMS_A_YEAR),
        tolerance=said.take("tolerance", _share, 0.02),
        blocks=said.take("blocks", _blocks, "auto"),
    )
    said.finish()
    return found


class _Section:
    """The section's keys, each taken once; what is left at the end is an error."""

    def __init__(self, spec: AuditSpec) -> None:
        self.left = dict(spec.monitor)
        self.known: list[str] = []
        self.spec = spec

    def take(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self.known.append(key)
        if key not in self.left:
            return default
        value = self.left.pop(key)
        try:
            return read(value)
        except ValueError as error:
            raise SpecError(f"found {value!r}: {error}", where=self._where(key)) from error

    def _where(self, key: str) -> str:
        """File and line, or the key where the spec came as a dict."""
        line = self.spec.places.line("monitor", key)
        return f"monitor.{key}" if self.spec.path is None else f"{self.spec.path}:{line}"

    def finish(self) -> None:
        for key in self.left:
            near = nearest(str(key), self.known)
            raise SpecError(
                f"monitor has no key {key!r}",
                where=self._where(str(key)),
                hint=f"Did you mean {near}?" if near else f"Known: {', '.join(sorted(self.known))}.",
            )


def _positive(said: str | None, found: str | None, column: str | None) -> str | None:
    return None if column is None else said or found


def _name(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("the name of a field is a text")
    return value


def _positive_seconds(value: Any) -> int:
    found = seconds(value)
    if not found:
        raise ValueError("0 is no duration")
    return found


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ValueError("a number over 0 and under 1")
    return float(value)


def _blocks(value: Any) -> str:
    if value not in ("auto", "rows", "window"):
        raise ValueError("auto, rows or window")
    return str(value)

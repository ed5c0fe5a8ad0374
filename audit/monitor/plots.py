"""Small plots as numbers of an SVG: lines, bands and ticks; the template writes elements and colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.monitor.series import Point
from audit.report.axes import position, tick_values, tick_word

WIDTH, HEIGHT = 360, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the upright axis."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A level across the plot: a bound, or the alarm line."""

    at: float
    words: str
    kind: str
    below: bool = False
    """Its words stand under it, so that those of two bounds that are near do not meet."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot; coordinates are pixels of its view box."""

    line: str
    band: str
    dots: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    rules: tuple[Rule, ...]
    begin: str
    end: str
    words: str
    """What is to be seen, for those who do not see it."""
    width: int = WIDTH
    height: int = HEIGHT


def estimate(
    points: Sequence[Point], bounds: Sequence[tuple[float, str]], say: Callable[[int], str], words: str
) -> Plot:
    """The value over time with its confidence sequence, and the bounds as levels."""
    known = [p for p in points if p.value is not None]
    values = [v for p in known for v in (p.low, p.value, p.high) if v is not None]
    values += [bound for bound, _ in bounds]
    low, high = _range(values)
    lowest = min((bound for bound, _ in bounds), default=None) if len(bounds) > 1 else None
    y = _upright(low, high)
    x = _across(points)
    band = [(x(p), y(p.high)) for p in known if p.high is not None and p.low is not None]
    band += [(x(p), y(p.low)) for p in reversed(known) if p.high is not None and p.low is not None]
    return Plot(
        line=_path([(x(p), y(p.value)) for p in known if p.value is not None]),
        band=_path(band),
        dots=tuple((x(p), y(p.value)) for p in known[-1:] if p.value is not None),
        ticks=_ticks(low, high, y),
        rules=tuple(Rule(y(bound), name, "bound", bound == lowest) for bound, name in bounds),
        begin=say(points[0].window),
        end=say(points[-1].window),
        words=words,
    )


def evidence(points: Sequence[Point], line: float, say: Callable[[int], str], words: str) -> Plot:
    """The detector over time against the alarm line; what lies below 0 is drawn at 0."""
    known = [(p, max(0.0, p.detector)) for p in points if p.detector is not None]
    low, high = _range([0.0, line, *(value for _, value in known)])
    low = 0.0
    y, x = _upright(low, high), _across(points)
    return Plot(
        line=_path([(x(p), y(value)) for p, value in known]),
        band="",
        dots=tuple((x(p), y(value)) for p, value in known[-1:]),
        ticks=_ticks(low, high, y),
        rules=(Rule(y(line), "alarm line", "alarm"),),
        begin=say(points[0].window),
        end=say(points[-1].window),
        words=words,
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spare = max((high - low) * 0.08, 0.01)
    return low - spare, high + spare


def _upright(low: float, high: float) -> Callable[[float], float]:
    span = HEIGHT - TOP - BOTTOM
    return lambda value: round(HEIGHT - BOTTOM - position(value, low, high, log=False, span=span), 1)


def _across(points: Sequence[Point]) -> Callable[[Point], float]:
    first, last = points[0].window, points[-1].window
    span = WIDTH - LEFT - RIGHT
    return lambda point: round(LEFT + span * (point.window - first) / max(1, last - first), 1)


def _ticks(low: float, high: float, y: Callable[[float], float]) -> tuple[Tick, ...]:
    # Twice the room that there is: a line of figures is half as high as it is wide.
    span = 2 * (HEIGHT - TOP - BOTTOM)
    return tuple(
        Tick(y(value), tick_word(value)) for value in tick_values(low, high, log=False, span=span, apart=32)
    )


def _path(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{'M' if i == 0 else 'L'}{x},{y}" for i, (x, y) in enumerate(at))

"""How grave a harm is: a matrix with floors, never a bare product of two numbers."""

from __future__ import annotations

from dataclasses import dataclass

from audit.governance.yamlfile import Entry

LEVELS = ("low", "moderate", "high", "critical")
SCALES = {"severity": 5, "likelihood": 5, "scale": 5, "reversibility": 4, "detectability": 4}
"""Each runs from 1; high is bad (reversibility 4 cannot be undone, detectability 4 shows too late)."""

_MATRIX = (
    (0, 0, 0, 1, 1),
    (0, 0, 1, 1, 2),
    (0, 1, 1, 2, 2),
    (1, 1, 2, 2, 3),
    (2, 2, 2, 3, 3),
)
_FLOORS = {5: 2, 4: 1}
_MANY = 4
_IRREVERSIBLE = 4


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating on the five scales, with the reason for it."""

    severity: int
    likelihood: int
    scale: int
    reversibility: int
    detectability: int
    rationale: str

    @property
    def level(self) -> str:
        """The level in words, by `level_of`."""
        return level_of(self.severity, self.likelihood, self.scale, self.reversibility)


def level_of(severity: int, likelihood: int, scale: int, reversibility: int) -> str:
    """low, moderate, high or critical.

    Severity against likelihood in a matrix; one level up where many people are met (scale 4 or 5) or it
    cannot be undone (reversibility 4), one down where both are least; never below the floor that
    severity 4 (moderate) and 5 (high) set, however unlikely.

    >>> level_of(5, 1, 1, 1)
    'high'
    >>> level_of(1, 5, 5, 1)
    'high'
    """
    at = _MATRIX[severity - 1][likelihood - 1]
    if scale >= _MANY or reversibility == _IRREVERSIBLE:
        at += 1
    elif scale == 1 and reversibility == 1:
        at -= 1
    return LEVELS[min(len(LEVELS) - 1, max(at, _FLOORS.get(severity, 0)))]


def read_rating(entry: Entry | None) -> Rating | None:
    """The rating in a register's entry; None where it is absent or not complete."""
    if entry is None:
        return None
    values = {name: entry.integer(name, 1, top) for name, top in SCALES.items()}
    rationale = entry.text("rationale")
    entry.done()
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < len(SCALES) or rationale is None:
        return None
    return Rating(**known, rationale=rationale)


def above(level: str, tolerance: str) -> bool:
    """Whether a level lies above what is tolerated."""
    return LEVELS.index(level) > LEVELS.index(tolerance)

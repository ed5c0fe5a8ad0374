"""What is wrong with a spec, collected so that one reading of the file shows all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.errors import SpecError
from audit.registry import nearest
from audit.spec.secrets import redact

PathKey = tuple[str | int, ...]
"""The keys and positions that lead to a value, as ("policy", "rules", 0, "metric")."""

MOST_SHOWN = 20
MOST_FOUND = 200
LONGEST_SHOWN = 60


class CollectedSpecError(SpecError):
    """Several errors of one spec; `what`, `where` and `hint` are the first one's.

    >>> print(CollectedSpecError([SpecError("one", where="a.yaml:1"), SpecError("two", where="a.yaml:2")]))
    a.yaml:1: one
    a.yaml:2: two
    """

    def __init__(self, errors: Sequence[SpecError]) -> None:
        first = errors[0]
        super().__init__(first.what, where=first.where, hint=first.hint)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        shown = [str(error) for error in self.errors[:MOST_SHOWN]]
        if len(self.errors) > MOST_SHOWN:
            shown.append(f"… and {len(self.errors) - MOST_SHOWN} more")
        return "\n".join(shown)


@dataclass(frozen=True, slots=True)
class Places:
    """Where each value of a spec stands: a line of a file, or a key of a dict that was given."""

    file: str | None
    lines: Mapping[PathKey, int | None]

    def known(self, path: Iterable[str | int]) -> PathKey:
        """The longest part of `path` that the document holds, parts unknown to it left out."""
        found: PathKey = ()
        for part in path:
            if (*found, part) in self.lines:
                found = (*found, part)
        return found

    def line(self, *path: str | int) -> int | None:
        """The line of the value at `path`, or of the nearest value around it."""
        return self.lines.get(self.known(path))

    def where(self, *path: str | int) -> str:
        """`audit.yaml:12`, or for a dict `rules[0]` or `data.columns`."""
        if self.file is not None:
            line = self.line(*path)
            return self.file if line is None else f"{self.file}:{line}"
        if len(path) > 2 and path[:2] == ("policy", "rules"):
            return f"rules[{path[2]}]"
        return dotted(path) or "the spec"


@dataclass(slots=True)
class Problems:
    """Errors as they are found, raised together in the order of their lines."""

    places: Places
    found: list[tuple[int, SpecError]] = field(default_factory=list)

    def add(self, path: Iterable[str | int], what: str, hint: str | None = None) -> None:
        path = tuple(path)
        line = self.places.line(*path) or 0
        self.found.append((line, SpecError(what, where=self.places.where(*path), hint=hint)))

    @property
    def full(self) -> bool:
        """Whether enough was found for anyone; a search for more would only take time."""
        return len(self.found) >= MOST_FOUND

    def raise_any(self) -> None:
        if not self.found:
            return
        errors = [error for _, error in sorted(self.found, key=lambda item: item[0])]
        raise errors[0] if len(errors) == 1 else CollectedSpecError(errors)


def dotted(path: Iterable[str | int]) -> str:
    """The path in words.

    >>> dotted(("policy", "rules", 0, "metric"))
    'policy.rules[0].metric'
    """
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return words


def shown(value: Any) -> str:
    """A value as an error message shows it: short, on one line, with no password in it.

    >>> shown("Yes"), shown(True), shown(None), shown([1])
    ("text 'Yes'", 'true', 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {quoted(value)}"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, float) and math.isinf(value):
        return "infinity"
    if isinstance(value, (int, float)):
        return short(f"{value:g}" if abs(value) > 1e15 else repr(value))
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"


def quoted(name: str) -> str:
    """A name or text in quotes: short, on one line, with no password in it.

    >>> quoted("two\\nlines")
    "'two\\\\nlines'"
    """
    return repr(short(redact(name)))


def short(text: str) -> str:
    """`text` cut to what a message can hold."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def listed(names: Iterable[str]) -> str:
    """The names in one phrase; of very many, the first."""
    names = list(names)
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return ", ".join(short(name) for name in names[:40]) + more


def near_hint(name: str, known: Iterable[str]) -> str | None:
    """`Did you mean …?`, where a known name is close."""
    near = nearest(name[:200], list(known))
    return f"Did you mean {near}?" if near else None

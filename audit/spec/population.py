"""Shares of groups in the population, written in the spec or in a file beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audit.errors import SpecError
from audit.spec.lines import parse
from audit.spec.problems import listed, near_hint, quoted, shown
from audit.spec.values import refuse, scalar_text

Shares = dict[str, dict[str, float]]
"""By attribute and group the share of the population, summing to 1 over an attribute's groups."""
ROUNDING = 0.01
"""Shares that are printed with few digits need not sum to 1 exactly."""
_HEADER = ["attribute", "group", "share"]


def population(value: Any) -> Any:
    """The mapping with its shares checked, or the path as it is; for the spec's model."""
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    try:
        return checked(value)
    except ValueError as error:
        raise refuse(str(error), _HINT) from None


_HINT = "Write {sex: {Female: 0.51, Male: 0.49}}, or the path of a CSV file with attribute,group,share."


def checked(value: Any) -> Shares:
    """Shares by attribute and group; a ValueError says in words what is not one.

    >>> checked({"sex": {"Female": 0.5, "Male": 0.5}})
    {'sex': {'Female': 0.5, 'Male': 0.5}}
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"found {shown(value)}; allowed: attribute → group → share, or a path")
    found: Shares = {}
    for attribute, groups in value.items():
        if not isinstance(groups, Mapping) or not groups:
            raise ValueError(f"{quoted(str(attribute))}: found {shown(groups)}; allowed: group → share")
        found[str(attribute)] = _group_shares(str(attribute), groups)
    return found


def _group_shares(attribute: str, groups: Mapping[Any, Any]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for group, share in groups.items():
        number = isinstance(share, (int, float)) and not isinstance(share, bool)
        if not number or not math.isfinite(share) or not 0 <= share <= 1:
            place = f"{quoted(attribute)}, {quoted(str(group))}"
            raise ValueError(f"{place}: found {shown(share)}; allowed: a share from 0 to 1")
        shares[scalar_text(group)] = float(share)
    total = sum(shares.values())
    if abs(total - 1) > ROUNDING:
        raise ValueError(f"the shares of {quoted(attribute)} sum to {total:.4g}; allowed: 1")
    return {group: share / total for group, share in shares.items()}


def read(given: Shares | str | None, attributes: Iterable[str], base: Path, where: str) -> Shares:
    """The shares of a spec, from its file where a path was given; empty where none are.

    Errors: SpecError for a file that cannot be read, shares that are none, and attributes that
    the spec does not name.
    """
    shares = _file(base / given, where) if isinstance(given, str) else dict(given or {})
    known = tuple(attributes)
    for name in shares:
        if name not in known:
            raise SpecError(
                f"population shares of {quoted(name)}, which is no attribute; there are: {listed(known)}",
                where=where,
                hint=near_hint(name, known),
            )
    return shares


def _file(path: Path, where: str) -> Shares:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file in UTF-8"
        raise SpecError(
            f"the population file cannot be read: {path.name}: {reason}",
            where=where,
            hint=_HINT,
        ) from None
    try:
        return checked(_table(text) if path.suffix.lower() == ".csv" else parse(text, str(path))[0])
    except ValueError as error:
        raise SpecError(f"{path.name}: {error}", where=where, hint=_HINT) from None


def _table(text: str) -> dict[str, dict[str, float]]:
    rows = list(csv.reader(io.StringIO(text)))
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if header != _HEADER:
        raise ValueError(f"the header is {','.join(header) or 'empty'}; needed: {','.join(_HEADER)}")
    found: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(_HEADER):
            raise ValueError(f"line {number} has {len(row)} fields; needed: {','.join(_HEADER)}")
        groups = found.setdefault(row[0], {})
        if row[1] in groups:
            raise ValueError(f"line {number} names {quoted(row[1])} of {quoted(row[0])} again")
        try:
            groups[row[1]] = float(row[2])
        except ValueError:
            raise ValueError(f"line {number}: found {shown(row[2])}; allowed: a share from 0 to 1") from None
    return found

"""Reads `audit.yaml`, or a dict of the same shape, into an AuditSpec; all errors at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit.errors import SpecError
from audit.result import Rule
from audit.spec.checks import check_data
from audit.spec.lines import DEEPEST, MOST_BYTES, key_text, parse
from audit.spec.model import Data, Document, System
from audit.spec.monitor import Monitor
from audit.spec.policy import Policy
from audit.spec.population import Shares
from audit.spec.population import read as read_population
from audit.spec.problems import PathKey, Places, Problems, quoted, shown
from audit.spec.rules import resolve
from audit.spec.translate import collect


@dataclass(frozen=True, slots=True)
class AuditSpec:
    """A spec that holds together: what is audited, on which data, by which policy."""

    path: Path | None
    digest: str | None
    """SHA-256 of the file's bytes; None where the spec came from Python."""
    base: Path
    """The folder that relative paths start from."""
    system: System
    data: Data
    policy: Policy
    monitor: Monitor
    places: Places = field(repr=False, compare=False)

    def where(self, *path: str | int) -> str:
        """The file and line of a value, as `spec.where("data", "attributes", "race", "reference")`."""
        return self.places.where(*path)

    def population(self) -> Shares:
        """Shares of the population by attribute and group, read from the file where a path was given."""
        where = self.where("data", "population")
        return read_population(self.data.population, self.data.attributes, self.base, where)

    def as_dict(self) -> dict[str, Any]:
        """What was said, as a dict that `from_dict` reads again."""
        said = Document(system=self.system, data=self.data, policy=self.policy, monitor=self.monitor)
        plain: dict[str, Any] = said.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return plain


def load(path: str | os.PathLike[str]) -> AuditSpec:
    """The spec in a YAML file.

    Raises SpecError with file and line, what was found and what is allowed; of several errors
    all are shown, in the order of their lines. Nothing of the data is looked at.
    """
    path = Path(path)
    content = _read(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            "not a text file in UTF-8",
            where=f"{path}:{line}",
            hint="Give the path of audit.yaml, not of the data.",
        ) from None
    value, places = parse(text, str(path))
    if value is None:
        raise SpecError(
            "the file is empty", where=str(path), hint="`harm-audit init DATA` writes one to start from."
        )
    document = _document(value, places)
    digest = hashlib.sha256(content).hexdigest()
    return AuditSpec(
        path,
        digest,
        path.absolute().parent,
        document.system,
        document.data,
        document.policy,
        document.monitor,
        places,
    )


def from_dict(data: Mapping[str, Any], *, base: Path | None = None) -> AuditSpec:
    """The spec in a dict of the same shape as the file.

    Errors name the key in place of the line, as `rules[0]`. Relative paths start from `base`, or
    else from the working folder.

    >>> data = {"columns": {"prediction": "approved"}, "attributes": {"sex": {}}}
    >>> spec = from_dict({"system": {"name": "credit"}, "data": data})
    >>> spec.data.attributes["sex"].reference
    'largest'
    """
    lines: dict[PathKey, int | None] = {}
    problems = Problems(Places(None, lines))
    value = _plain(data, (), lines, problems)
    problems.raise_any()
    document = _document(value, problems.places)
    return AuditSpec(
        None,
        None,
        base or Path(),
        document.system,
        document.data,
        document.policy,
        document.monitor,
        problems.places,
    )


def resolve_rules(spec: AuditSpec) -> tuple[Rule, ...]:
    """The rules of the policy as they will be judged, each with its id and band."""
    document = Document(system=spec.system, data=spec.data, policy=spec.policy)
    problems = Problems(spec.places)
    rules = resolve(document, problems)
    problems.raise_any()
    return rules


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(
            "no such file", where=str(path), hint="`harm-audit init DATA` writes an audit.yaml to start from."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Name the policy file, audit.yaml as a rule, by a path that you may read."
        raise SpecError(f"cannot be read: {reason}", where=str(path), hint=hint) from None
    if len(content) > MOST_BYTES:
        raise SpecError(
            f"the file is larger than {MOST_BYTES:,} bytes",
            where=str(path),
            hint="Give the path of audit.yaml, not of the data.",
        )
    return content


def _document(value: Any, places: Places) -> Document:
    problems = Problems(places)
    if not isinstance(value, dict):
        problems.add((), f"found {shown(value)}; allowed: a mapping with the keys system, data, policy")
        problems.raise_any()
    try:
        document = Document.model_validate(value)
    except ValidationError as error:
        collect(error, problems)
        problems.raise_any()
        raise
    for position, rule in enumerate(document.policy.rules):
        rule._line = places.line("policy", "rules", position)
    document.data._where = places.where("data", "source")
    if document.data.join is not None:
        document.data.join._where = places.where("data", "join", "source")
    check_data(document.data, problems)
    resolve(document, problems)
    problems.raise_any()
    return document


def _plain(value: Any, path: PathKey, lines: dict[PathKey, int | None], problems: Problems) -> Any:
    """`value` with mappings, sequences and numbers of other libraries as Python's own."""
    lines[path] = None
    if len(path) > DEEPEST:
        raise SpecError(f"values are nested more than {DEEPEST} deep", where=problems.places.where(*path))
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = key_text(key)
            if name is None or name in result:
                what = (
                    f"a key is {shown(key)}; allowed: text"
                    if name is None
                    else f"the key {quoted(name)} stands twice"
                )
                problems.add(path, what)
                continue
            result[name] = _plain(item, (*path, name), lines, problems)
        return result
    if isinstance(value, (list, tuple)):
        return [_plain(item, (*path, i), lines, problems) for i, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, float):
        return float(value)
    if callable(getattr(value, "tolist", None)):
        return _plain(value.tolist(), (*path, "values"), lines, problems)
    return str(value) if isinstance(value, str) else value

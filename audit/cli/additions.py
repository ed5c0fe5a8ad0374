"""Documents that stand beside a bundle, told apart by what is in them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from audit import codec
from audit.errors import UsageError

KINDS = {
    "slices": ("audit.analysis.slice_report", "SliceReport"),
    "why": ("audit.analysis.why", "Why"),
    "trials": ("audit.mitigation.trial_report", "Trials"),
    "plan": ("audit.mitigation.plan", "Plan"),
}
_KNOWN_BY = {"actions": "plan", "trials": "trials", "diagnosis": "why", "slices": "slices"}


def read(paths: tuple[Path, ...], *, suppress_below: int | None = None) -> Any:
    """The views of what `slices`, `diagnose`, `mitigate` and `plan` wrote as JSON.

    Errors: UsageError where a file is none of these or one kind is given twice, BundleError where
    it was written by another version.
    """
    found: dict[str, Any] = {}
    for path in paths:
        kind, content = _kind(path)
        if kind in found:
            raise UsageError(f"{path} is a second document of its kind", where="--with")
        module, name = KINDS[kind]
        found[kind] = codec.loads(getattr(importlib.import_module(module), name), content, where=str(path))
    additions: Any = importlib.import_module("audit.report.additions")
    return additions.added(additions.Additions(**found), suppress_below=suppress_below)


def _kind(path: Path) -> tuple[str, bytes]:
    try:
        content = path.read_bytes()
        plain = json.loads(content)
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint="Give what --out of a command wrote.",
        ) from error
    except ValueError as error:
        raise UsageError("is no JSON", where=str(path), hint="Give what --out of a command wrote.") from error
    for key, kind in _KNOWN_BY.items():
        if isinstance(plain, dict) and key in plain:
            return kind, content
    raise UsageError(
        "is none of the documents that the page can show",
        where=str(path),
        hint="Give what slices, diagnose, mitigate or plan wrote with --out.",
    )

"""Finds the package's data files, in a wheel, an editable install and a plain checkout."""

from __future__ import annotations

from pathlib import Path

from audit.errors import AuditError

_PACKAGE = Path(__file__).resolve().parent


def checklists() -> Path:
    """The folder of the release checklists.

    >>> checklists().is_dir()
    True
    """
    return _folder("checklists")


def templates() -> Path:
    """The folder of the templates that reports and generated files are rendered from.

    >>> templates().is_dir()
    True
    """
    return _folder("templates")


def examples() -> Path:
    """The folder of the worked examples; it may be read-only, so copy before writing.

    >>> examples().is_dir()
    True
    """
    return _folder("examples")


def _folder(name: str) -> Path:
    """The wheel's place first: beside an installed package a folder called `name` is somebody else's."""
    installed, checkout = _PACKAGE / f"_{name}", _PACKAGE.parent / name
    if installed.is_dir():
        return installed
    if checkout.is_dir():
        return checkout
    raise AuditError(
        f"the package's {name} are missing",
        where=str(installed),
        hint="Install harm-audit again: pip install --force-reinstall --no-deps harm-audit",
    )

"""`harm-audit doctor`: what this machine has, what it lacks, and what stands in the way."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from audit import __version__, resources
from audit.cli import output
from audit.errors import AuditError

LACKING = 4
REQUIRED = [
    "ibis-framework",
    "duckdb",
    "pydantic",
    "ruamel.yaml",
    "click",
    "rich",
    "jinja2",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "vl-convert-python",
    "sqlalchemy",
]
OPTIONAL = {
    "fairlearn": "mitigation",
    "aif360": "mitigation",
    "pyspark": "spark",
    "psycopg": "postgres",
    "starlette": "serve",
    "mlflow": "mlflow",
}
"""Distributions by the extra that brings them."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; only what is required makes the doctor end with an error."""

    name: str
    ok: bool
    required: bool
    found: str
    step: str = ""


@click.command("doctor", short_help="Check what this machine has and lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(as_json: bool) -> int:
    """Check Python, the packages, the embedded database, the data files, and modules in the way.

    Ends with 4 where something required is missing or does not work.

    \b
    Example:
      harm-audit doctor
    """
    checks = list(examine())
    if as_json:
        output.echo_json([asdict(check) for check in checks])
    else:
        for check in checks:
            mark = "✓" if check.ok else "✗" if check.required else "–"
            output.echo(f"{mark} {check.name:<20} {output.one_line(check.found)}")
            if not check.ok and check.step:
                output.echo(f"  → {check.step}")
    return 0 if all(check.ok for check in checks if check.required) else LACKING


def examine() -> Iterator[Check]:
    """Every check, made."""
    supported = sys.version_info >= (3, 11)
    yield Check("harm-audit", True, True, __version__)
    yield Check("python", supported, True, platform.python_version(), "Python 3.11 or newer is needed.")
    for name in REQUIRED:
        yield _distribution(name, required=True, step="pip install --upgrade harm-audit")
    yield _duckdb()
    yield _data_files()
    for name, extra in OPTIONAL.items():
        yield _distribution(name, required=False, step=f"optional: pip install 'harm-audit[{extra}]'")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield Check("browser", browser is not None, False, browser or "none", "optional: only the tests use one")
    others = shadows()
    found = ", ".join(map(str, others)) or "none"
    step = "`import audit` may take that one: rename it, or work in a virtual environment."
    yield Check("other `audit`", not others, False, found, step)


def _distribution(name: str, *, required: bool, step: str) -> Check:
    try:
        return Check(name, True, required, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, required, "not installed", step)


def _duckdb() -> Check:
    step = "pip install --force-reinstall duckdb"
    try:
        duckdb: Any = importlib.import_module("duckdb")
        with duckdb.connect() as connection:
            answer = connection.execute("SELECT sum(i) FROM range(10) t(i)").fetchone()
    except Exception as error:
        return Check("duckdb works", False, True, f"{type(error).__name__}: {error}", step)
    return Check("duckdb works", answer == (45,), True, "counts to ten", step)


def _data_files() -> Check:
    try:
        folders = [resources.checklists(), resources.templates(), resources.examples()]
    except AuditError as error:
        return Check("data files", False, True, error.what, error.hint or "")
    return Check("data files", True, True, str(folders[0].parent))


def shadows(path: list[str] | None = None) -> list[Path]:
    """Other modules called `audit` on the import path, which Python may take in place of this one."""
    ours = Path(__file__).resolve().parents[1]
    found = []
    for entry in sys.path if path is None else path:
        for candidate in (Path(entry or ".") / "audit.py", Path(entry or ".") / "audit" / "__init__.py"):
            if candidate.is_file() and candidate.resolve().parent != ours:
                found.append(candidate)
    here = Path("audit.py")
    if path is None and here.is_file() and here.resolve() not in [item.resolve() for item in found]:
        found.append(here)
    return found

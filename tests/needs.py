"""What some tests need beyond pip: they skip with the reason where it is not there, and fail when CI=true."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything was promised to be there (CI=true)."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true promises it", pytrace=False)
    pytest.skip(reason)


def needs_chromium() -> str:
    """The path of a Chromium or Chrome."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    missing(f"no browser on the PATH ({', '.join(BROWSERS)})")


def needs_postgres() -> Path:
    """The folder that holds PostgreSQL's initdb and pg_ctl, whichever version is the newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(places, key=lambda place: int(place.parts[-3]), default=None)
    if newest is None:
        missing("no PostgreSQL server (initdb) on this machine")
    return newest.parent


def needs_promtool() -> str:
    """The path of Prometheus' promtool, which the package `prometheus` brings."""
    if found := shutil.which("promtool"):
        return found
    missing("no promtool on this machine")


def needs_java() -> None:
    """A Java that Spark can start."""
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").exists()) and not shutil.which("java"):
        missing("no Java on this machine")


def needs_extra(name: str) -> ModuleType:
    """The module `name`, which an extra of the project brings."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing(f"{error.name} is not installed")

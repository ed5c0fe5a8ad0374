"""Importing does nothing, and `--help` and `gate` start without what they do not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import bundle, codec
from tests.architecture.modules import modules
from tests.architecture.test_imports import HEAVY
from tests.report import sample

RUN = """
import contextlib, io, json, sys
from audit.cli.main import main
sys.argv = ["harm-audit", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code
print(json.dumps({"code": code, "said": out.getvalue(), "modules": sorted(sys.modules)}))
"""

IMPORT = """
import importlib, json, logging, os, signal, socket, sys, threading, warnings

class Refused(BaseException):
    pass

def refuse(*arguments, **options):
    raise Refused("a socket was opened at import")

socket.socket.connect = socket.socket.bind = socket.getaddrinfo = refuse

def state():
    return {
        "handlers": len(logging.root.handlers),
        "level": logging.root.level,
        "filters": [str(f) for f in warnings.filters],
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
    }

before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
after = state()
print(json.dumps({k: [before[k], after[k]] for k in before if before[k] != after[k]}))
"""


def python(script: str, *arguments: str, folder: Path, warnings: str = "error") -> dict[str, object]:
    """What a fresh interpreter in an empty folder prints as JSON on its last line."""
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-B", "-c", script, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "stderr": done.stderr}


def heavy(loaded: object) -> set[str]:
    assert isinstance(loaded, list)
    return {name.partition(".")[0] for name in loaded} & HEAVY


def test_help_starts_light(tmp_path: Path) -> None:
    seen = python(RUN, "--help", folder=tmp_path)
    assert seen["code"] in (0, None), seen["said"]
    assert "Usage" in str(seen["said"])
    assert not heavy(seen["modules"])
    ours = {str(name) for name in seen["modules"] if str(name).startswith("audit")}  # type: ignore[attr-defined]
    assert ours <= {"audit", "audit.errors"} | {name for name in ours if name.startswith("audit.cli")}
    commands = {name for name in ours if name.startswith("audit.cli.")} - {"audit.cli.main"}
    assert not commands & {f"audit.cli.{name}" for name in ("run", "gate", "report", "init", "demo")}


def test_gate_starts_light_and_says_a_verdict(tmp_path: Path) -> None:
    there = tmp_path / "bundle"
    bundle.write(there, {bundle.AUDIT: codec.dumps(sample.sample_result())})
    seen = python(RUN, "gate", str(there), folder=tmp_path)
    assert seen["code"] in (0, 1, 3), seen["said"]
    assert seen["said"]
    assert not heavy(seen["modules"])


def test_import_does_nothing(tmp_path: Path) -> None:
    changed = python(IMPORT, "audit", folder=tmp_path)
    assert changed == {"stderr": ""}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_importing_every_module_reaches_nothing_outside(tmp_path: Path) -> None:
    """Libraries may warn or set variables of their own; sockets, logging and files are refused."""
    names = [name for name in modules() if name != "audit.__main__"]
    changed = python(IMPORT, *names, folder=tmp_path, warnings="ignore")
    assert not {"handlers", "level", "interrupt", "threads"} & changed.keys(), changed
    assert changed["stderr"] == ""
    assert list(tmp_path.iterdir()) == []

"""The notebooks run from the first cell to the last, and show what they say they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs_extra

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "examples" / "notebooks"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "true"}
EXECUTE = """\
import sys, nbformat, warnings
warnings.simplefilter("ignore")
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=120, kernel_name="python3").execute()
nbformat.write(book, sys.argv[2])
"""


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_jupyter_notebook(tmp_path: Path) -> None:
    needs_extra("nbformat")
    needs_extra("ipykernel")
    out = tmp_path / "done.ipynb"
    own = tmp_path / "kernels"  # the kernel is this Python, whatever else the machine has
    spec = own / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    ENVIRONMENT["JUPYTER_PATH"] = str(own)
    run(sys.executable, "-c", EXECUTE, NOTEBOOKS / "lending.ipynb", out, folder=tmp_path)
    cells = [cell for cell in json.loads(out.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown = ["".join(o.get("data", {}).get("text/html", "")) for c in cells for o in c["outputs"]]
    pages = [text for text in shown if text]
    assert len(pages) == 5  # the rows, the audit, a finding, a comparison, the findings' table
    assert sum("violation" in text.lower() for text in pages) >= 3
    assert all("<script" not in text for text in pages)


def test_the_stored_notebook_holds_no_output() -> None:
    book = json.loads((NOTEBOOKS / "lending.ipynb").read_text("utf-8"))
    assert not [cell for cell in book["cells"] if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
def test_the_marimo_notebook(tmp_path: Path) -> None:
    needs_extra("marimo")
    said = run(sys.executable, NOTEBOOKS / "berkeley_marimo.py", folder=tmp_path)
    assert "Pooled -0.142; within departments +0.018 (-0.011 to +0.047): vanishes." in said

"""Every code block of the pages runs, top to bottom, in a project that holds what the pages speak of."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

import audit
from audit.cli.main import main
from audit.spec import from_dict, load
from tests.architecture.modules import ROOT
from tests.docs.blocks import Block, blocks
from tests.needs import needs_extra, needs_java

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
GENERATED = {"commands.md", "metrics.md", "errors.md", "checklists.md"}
SLOW = {"spark.md"}
APART = {"spark.md"}
"""Pages of a process of their own: Spark reads paths from where its Java machine was started."""
NEEDS = {"interop.md": ("fairlearn", "polars"), "spark.md": ("pyspark",)}
WITH_CODE = [page for page in PAGES if page.name not in GENERATED and any(blocks(page))]
SPEC = """\
system: {name: credit-approval, version: "2026.11", outcome: favourable}
data:
  source: predictions.csv
  columns: {label: repaid, prediction: approved, score: p_repay}
  positive: 1
  attributes:
    sex: {as: sex}
    race: {reference: White}
policy:
  rules:
    - {id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8}
    - {metric: equal_opportunity, at_most: 0.05, severity: blocker}
"""
CODES = re.compile(r"\b(\d) (?:pass|violation|inconclusive)|\bexit (\d)|\bends with (\d)")
"""How a comment behind a command says with which codes it may end; 0 where it says nothing."""
FILE = re.compile(r"# ([\w.-]+\.yaml)\n")
"""The first line of a policy file that is whole."""
DATA_KEYS = {"attributes", "join", "columns", "control", "source", "table"}


def decisions(n: int = 12_000) -> pd.DataFrame:
    """Decisions about people that treat every group alike, but for chance."""
    chance = np.random.default_rng(11)
    score = chance.beta(4, 3, n)
    return pd.DataFrame(
        {
            "application_id": np.arange(n),
            "sex": chance.choice(["Female", "Male"], n),
            "race": chance.choice(["Asian", "Black", "White"], n, p=[0.2, 0.3, 0.5]),
            "age": chance.integers(18, 80, n),
            "region": chance.choice(["N", "S"], n),
            "repaid": (chance.random(n) < score).astype(int),
            "approved": (score > 0.5).astype(int),
            "p_repay": score.round(4),
        }
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    rows = decisions()
    rows.to_csv(folder / "predictions.csv", index=False)
    rows.to_parquet(folder / "predictions.parquet", index=False)
    for place in (folder, folder / "models" / "credit"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "audit.yaml").write_text(SPEC, encoding="utf-8")
    return folder


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, and the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PGPASSWORD", "secret")
    return folder


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name in SLOW else (), id=page.stem)
        for page in WITH_CODE
    ],
)
def test_every_block_runs(page: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NEEDS.get(page.name, ()):
        needs_extra(name)
    if page.name == "spark.md":
        needs_java()
    found = list(blocks(page))
    if any("harm-audit init" in block.body for block in found):
        (place / "audit.yaml").unlink()
    names = given(place)
    for block in found:
        if block.reason is None:
            RUN[block.language](block, names, place)
        else:
            assert len(block.reason) > 10, block.place


def given(place: Path) -> dict[str, Any]:
    """The names that a page takes for granted."""
    rows = pd.read_csv(place / "predictions.csv")
    return {
        "__name__": "page",
        "audit": audit,
        "decisions": rows,
        "frame": rows,
        "features": rows[["age", "p_repay"]],
        "y_true": rows["repaid"],
        "y_pred": rows["approved"],
    }


def run_python(block: Block, names: dict[str, Any], place: Path) -> None:
    if "def test_" in block.body:  # all of a page in one session: starting one takes its time
        head = "import pandas\n\ndecisions = pandas.read_csv('predictions.csv')\n"
        tests = [b.body for b in blocks(block.page) if b.language == "python" and "def test_" in b.body]
        if block.body != tests[-1]:
            return
        (place / "test_page.py").write_text(head + "\n\n".join(tests), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
        plugin = ["-p", "audit.integrations.pytest_plugin"]
        done = subprocess.run([*command, *plugin], capture_output=True, text=True, check=False)
        if "already registered" in done.stderr:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
        return
    if block.page.name in APART:
        code = [b.body for b in blocks(block.page) if b.language == "python"]
        if block.body == code[-1]:
            whole = [sys.executable, "-c", "\n\n".join(code)]
            done = subprocess.run(whole, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
        return
    exec(compile(block.body, block.place, "exec"), names)


def run_bash(block: Block, names: dict[str, Any], place: Path) -> None:
    lines = block.body.replace("\\\n", " ").splitlines()
    for line in lines:
        words, comment = line.partition(" #")[0], line.partition(" #")[2]
        command = shlex.split(words)
        if not command or words.startswith("#") or command[0] == "$EDITOR":
            continue
        assert command[0] == "harm-audit", f"{block.place}: {line} is not run; say why above the block"
        allowed = {int(next(filter(None, codes))) for codes in CODES.findall(comment)} or {0}
        assert main(command[1:]) in allowed, f"{block.place}: {line}"


def run_yaml(block: Block, names: dict[str, Any], place: Path) -> None:
    """A whole policy file is written, a part of one fits into one, a step of a workflow fits the action."""
    if named := FILE.match(block.body):
        (place / named[1]).write_text(block.body, encoding="utf-8")
        load(place / named[1])
        return
    part = YAML(typ="safe").load(block.body)
    if isinstance(part, list) and "uses" in part[0]:
        action = YAML(typ="safe").load((ROOT / "action.yml").read_text(encoding="utf-8"))
        assert set(part[0]["with"]) <= set(action["inputs"]), block.place
        return
    whole = YAML(typ="safe").load(SPEC)
    if set(part) <= DATA_KEYS:
        part = {"data": part}
    for key, value in part.items():
        whole[key] = {**whole.get(key, {}), **value}
    from_dict(whole)


def run_text(block: Block, names: dict[str, Any], place: Path) -> None:
    """What a terminal shows is no code, unless it is a command."""
    sessions = [line for line in block.body.splitlines() if line.startswith("$ harm-audit")]
    assert not sessions, f"{block.place}: a session is not run; say why above the block"


RUN = {"python": run_python, "bash": run_bash, "sh": run_bash, "yaml": run_yaml, "text": run_text}


def test_every_block_names_a_language_that_is_run() -> None:
    unknown = [
        b.place for page in WITH_CODE for b in blocks(page) if b.language not in RUN and b.reason is None
    ]
    assert not unknown, unknown


def test_few_blocks_are_not_run() -> None:
    found = [block for page in WITH_CODE for block in blocks(page)]
    assert len([block for block in found if block.reason]) < 0.4 * len(found)

"""Thirty projects, and every way into the gate says the same of each."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from audit.cli.main import main
from tests.architecture.modules import ROOT
from tests.integrations import run_action
from tests.integrations.cases import DATA, INCONCLUSIVE, PASS, USAGE, VIOLATION, Case, cases

pytest_plugins = ["pytester"]
BIN = Path(sys.executable).parent
CASES = cases()
FIRST = next(case for case in CASES if case.verdict == INCONCLUSIVE)
MARKED = 'import pytest\n@pytest.mark.audit("audit.yaml")\ndef test_policy(): pass\n'


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def by_name(case: Case) -> str:
    return case.name


class Recorder:
    """What an inner pytest said of each project, by the folder's name."""

    def __init__(self) -> None:
        self.verdicts: dict[str, list[str]] = {}
        self.shut: set[str] = set()
        self.uncollected: set[str] = set()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.uncollected.add(report.nodeid.partition("/")[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("/")[0]
        if report.failed:
            self.shut.add(name)
        if report.when == "call":
            said = dict(report.user_properties).get("audit_verdict", "error")
            self.verdicts.setdefault(name, []).append(str(said))


def test_there_are_thirty_of_every_kind() -> None:
    assert len({case.name for case in CASES}) == len(CASES) == 30
    assert {case.verdict for case in CASES} == {PASS, VIOLATION, INCONCLUSIVE, USAGE, DATA}
    assert {case.code for case in CASES} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_the_gate_and_the_hook(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook stops what reading alone shows to be wrong, and nothing else."""
    spec = case.write(tmp_path / case.name)
    monkeypatch.chdir(spec.parent)
    assert main(["run", "--gate", "--quiet"]) == case.code
    if case.verdict in (PASS, VIOLATION, INCONCLUSIVE):
        assert main(["gate", "evidence", "--spec", "audit.yaml", "--quiet"]) == case.code
    assert main(hook(spec.parent)) == (2 if case.seen_without_data else 0)


def hook(project: Path) -> list[str]:
    """The hook's arguments, with the files that its pattern picks."""
    (declared,) = yaml(ROOT / ".pre-commit-hooks.yaml")
    program, *arguments = shlex.split(declared["entry"])
    assert program == "harm-audit"
    files = [path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()]
    picked = [name for name in files if re.search(declared["files"], name)]
    assert picked == ["audit.yaml"]
    return [*arguments, *picked]


def test_the_pytest_plugin(pytester: pytest.Pytester, inner: Callable[..., pytest.RunResult]) -> None:
    for case in CASES:
        spec = case.write(pytester.path / case.name)
        (spec.parent / f"test_{case.name.replace('-', '_')}.py").write_text(MARKED)
    seen = Recorder()
    inner("--import-mode=importlib", "--continue-on-collection-errors", "-q", plugins=[seen])
    for case in CASES:
        if case.seen_without_data:
            assert case.name in seen.uncollected, case.name
            continue
        expected = case.verdict if case.verdict in (PASS, VIOLATION, INCONCLUSIVE) else "error"
        assert seen.verdicts[case.name] == [expected] * 2, case.name
        assert (case.name in seen.shut) == (case.code != 0), case.name
    assert seen.uncollected == {case.name for case in CASES if case.seen_without_data}


def of_one_and_of_all(function: Any) -> Any:
    """One project at once, and the rest where there is time."""
    marks = [
        pytest.param(case, marks=() if case is FIRST else pytest.mark.slow, id=case.name) for case in CASES
    ]
    return pytest.mark.parametrize("case", marks)(function)


@of_one_and_of_all
def test_the_action(case: Case, tmp_path: Path) -> None:
    spec = case.write(tmp_path / case.name)
    done = run_action.run({}, spec.parent, bin_folder=BIN)
    judged = case.verdict in (PASS, VIOLATION, INCONCLUSIVE)
    assert (done.code, done.outputs["verdict"]) == (case.code, case.verdict if judged else "error")


@of_one_and_of_all
def test_the_gitlab_job(case: Case, tmp_path: Path) -> None:
    spec = case.write(tmp_path / case.name)
    job = yaml(ROOT / "examples" / "ci" / "harm-audit.gitlab-ci.yml")["harm-audit"]
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        **job["variables"],
    }
    script = "\n".join(job["script"])
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=spec.parent, env=environment, capture_output=True, check=False)
    assert done.returncode == case.code
    judged = case.verdict in (PASS, VIOLATION, INCONCLUSIVE)
    assert (spec.parent / job["artifacts"]["reports"]["junit"]).is_file() == judged

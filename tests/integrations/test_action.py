"""action.yml: its steps run as on a runner, and what an input or a policy file says is never run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import bundle
from tests.integrations import run_action
from tests.integrations.cases import INCONCLUSIVE, PASS, USAGE, VIOLATION, Case, cases

BIN = Path(sys.executable).parent
STUB = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" >> "$CALLS"
echo "::error::said by a policy"
case "$1" in run) mkdir -p "${2#--out=}" ;; esac
exit "${STUB_CODE:-0}"
"""
HOSTILE = (
    "$(touch hacked)",
    "`touch hacked`",
    "x; touch hacked",
    "x' ; touch hacked ; '",
    'x" ; touch hacked ; "',
    "x && touch hacked",
    "-x",
    "--help",
    "*",
    "$HOME",
    "a b  c",
    "${{ github.token }}",
    "",
)
FREE_INPUTS = ("spec", "out", "model", "baseline-bundle", "history", "on-inconclusive", "stage")


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A folder with a program that only writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "harm-audit"
    program.write_text(STUB)
    program.chmod(0o755)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def act(place: Path, stub: Path, code: int = 0, **inputs: str) -> run_action.Done:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    environment = {"CALLS": str(stub / "calls"), "STUB_CODE": str(code)}
    return run_action.run(given, place, bin_folder=stub, environment=environment)


def calls(stub: Path) -> list[str]:
    return (stub / "calls").read_text().splitlines() if (stub / "calls").exists() else []


@pytest.mark.parametrize("value", HOSTILE)
def test_an_input_is_one_word_and_is_not_run(value: str, place: Path, stub: Path) -> None:
    done = act(place, stub, **dict.fromkeys(FREE_INPUTS, value))
    assert done.code == 0, done.log
    assert [path.name for path in place.iterdir()] == ([value] if value else [])
    words = [value, f"./{value}"] if value else ["", "./"]
    assert len([word for word in calls(stub) if word.partition("=")[2] in words or word in words]) >= 4


@pytest.mark.parametrize("name", [name for name in FREE_INPUTS if name not in ("on-inconclusive", "stage")])
def test_a_line_break_makes_no_output(name: str, place: Path, stub: Path) -> None:
    for value in ("evidence\nverdict=pass", "a\rb", "a\x1bb"):
        done = act(place, stub, **{name: value})
        assert (done.code, done.outputs["verdict"], calls(stub)) == (2, "error", [])


@pytest.mark.parametrize("value", ["yes", "", "$(touch hacked)", "False"])
def test_the_gate_is_not_opened_by_a_word_nobody_knows(value: str, place: Path, stub: Path) -> None:
    assert (act(place, stub, gate=value).code, calls(stub)) == (2, [])


@pytest.mark.parametrize("value", ["$(touch hacked)", "a]; touch hacked", "a b", "../x", "spark\n"])
def test_extras_are_names(value: str, place: Path) -> None:
    done = run_action.run({"extras": value, "python": "false"}, place)
    assert done.code != 0
    assert "hacked" not in os.listdir(place)
    assert "verdict" not in {name for name, said in done.outputs.items() if said}


@pytest.mark.parametrize("code", [2, 4, 130])
@pytest.mark.parametrize("gate", ["true", "false"])
def test_an_error_is_no_verdict_and_always_fails(code: int, gate: str, place: Path, stub: Path) -> None:
    done = act(place, stub, code=code, gate=gate)
    assert (done.code, done.outputs["verdict"], done.outputs["exit-code"]) == (code, "error", str(code))
    assert done.outputs["violations"] == done.outputs["bundle"] == ""


def test_what_the_audit_prints_is_no_command_of_the_runner(place: Path, stub: Path) -> None:
    lines = act(place, stub).log.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("::stop-commands::"))
    token = lines[start].rpartition("::")[2]
    assert len(token) == 32
    assert start < lines.index("::error::said by a policy") < lines.index(f"::{token}::")


def test_no_expression_stands_in_a_shell_line() -> None:
    described = run_action.action()
    used = [step for step in described["runs"]["steps"] if "run" in step]
    assert used == described["runs"]["steps"]
    assert not [step["id"] for step in used if "${{" in step["run"]]
    text = run_action.ACTION.read_text("utf-8")
    assert [name for name in described["inputs"] if f"inputs.{name} }}" not in text] == []


def case(verdict: str) -> Case:
    return next(each for each in cases() if each.verdict == verdict and each.word == "fail")


@pytest.mark.parametrize("verdict", [VIOLATION, pytest.param(PASS, marks=pytest.mark.slow)])
def test_a_real_audit(verdict: str, tmp_path: Path) -> None:
    """In a folder below the repository's root, whose name needs quoting."""
    chosen = case(verdict)
    chosen.write(tmp_path / "a 'model'")
    done = run_action.run({"spec": "a 'model'/audit.yaml", "out": "the evidence"}, tmp_path, bin_folder=BIN)
    told = done.outputs
    assert (done.code, told["verdict"], told["exit-code"]) == (chosen.code, verdict, str(chosen.code))
    assert (told["violations"], told["inconclusive"]) == ("1" if verdict == VIOLATION else "0", "0")
    assert bundle.verify(Path(told["bundle"])).ok
    assert Path(told["report"]).is_file()
    assert Path(told["junit"]).is_file()
    sarif = json.loads(Path(told["sarif"]).read_text("utf-8"))
    assert sarif["version"] == "2.1.0"
    assert done.summary.startswith(f"# {verdict.capitalize()}")
    shown = [line for line in done.log.splitlines() if line.startswith("::error ")]
    assert len(shown) == (verdict == VIOLATION)
    assert all(line.startswith("::error file=a 'model'/audit.yaml,line=9,") for line in shown)


@pytest.mark.slow
def test_told_and_not_gated(tmp_path: Path) -> None:
    case(VIOLATION).write(tmp_path / "p")
    inputs = {"spec": "p/audit.yaml", "gate": "false"}
    done = run_action.run(inputs, tmp_path, bin_folder=BIN)
    assert (done.code, done.outputs["verdict"], done.outputs["exit-code"]) == (0, "violation", "1")


@pytest.mark.slow
@pytest.mark.parametrize(("word", "code"), [("fail", 3), ("warn", 0), ("ignore", 2)])
def test_on_inconclusive_in_place_of_the_policy(word: str, code: int, tmp_path: Path) -> None:
    case(INCONCLUSIVE).write(tmp_path / "p")
    inputs = {"spec": "p/audit.yaml", "on-inconclusive": word}
    done = run_action.run(inputs, tmp_path, bin_folder=BIN)
    assert (done.code, done.outputs["verdict"]) == (code, "error" if code == 2 else "inconclusive")


@pytest.mark.slow
def test_the_script_is_a_command(tmp_path: Path) -> None:
    case(USAGE).write(tmp_path / "p")
    command = [sys.executable, run_action.__file__, "--bin", str(BIN), "spec=p/audit.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "verdict=error" in done.stdout.splitlines()

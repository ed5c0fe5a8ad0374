"""Runs the steps of action.yml on this machine as a runner would: `python run_action.py spec=audit.yaml …`.

It knows what action.yml uses, and refuses the rest: composite steps of bash, `env`, and expressions of
inputs, earlier steps' outputs and the action's path. `--bin FOLDER` leaves the install step out and takes
the program from there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")
"""What `shell: bash` stands for on a runner."""
STEP_KEYS = {"id", "name", "shell", "env", "run"}


@dataclass(frozen=True)
class Done:
    """How the action ended, and what it left behind."""

    code: int
    outputs: Mapping[str, str]
    summary: str
    log: str


def action() -> dict[str, Any]:
    """action.yml as it stands."""
    found: dict[str, Any] = YAML(typ="safe").load(ACTION.read_text(encoding="utf-8"))
    return found


def run(
    inputs: Mapping[str, str],
    workspace: Path,
    *,
    bin_folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """The action's steps, one after another until one fails, in `workspace`."""
    described = action()
    unknown = inputs.keys() - described["inputs"].keys()
    if unknown:
        raise ValueError(f"the action has no input {sorted(unknown)}")
    defaults = {name: str(entry.get("default", "")) for name, entry in described["inputs"].items()}
    values = {f"inputs.{name}": value for name, value in {**defaults, **inputs}.items()}
    values["github.action_path"] = str(ROOT)
    log, code = "", 0
    with tempfile.TemporaryDirectory() as temporary:
        runner = Path(temporary)
        summary = runner / "summary.md"
        summary.touch()
        for step in described["runs"]["steps"]:
            if step["id"] == "install" and bin_folder is not None:
                values["steps.install.outputs.bin"] = str(bin_folder)
                continue
            code, said, outputs = _step(step, values, workspace, runner, environment or {})
            log += said
            values |= {f"steps.{step['id']}.outputs.{name}": value for name, value in outputs.items()}
            if code:
                break
        told = {name: resolve(entry["value"], values) for name, entry in described["outputs"].items()}
        return Done(code, told, summary.read_text(encoding="utf-8"), log)


def resolve(text: str, values: Mapping[str, str]) -> str:
    """`text` with its expressions replaced; what is not known is empty, as on a runner."""
    return EXPRESSION.sub(lambda found: values.get(found[1], ""), text)


def _step(
    step: dict[str, Any],
    values: Mapping[str, str],
    workspace: Path,
    runner: Path,
    environment: Mapping[str, str],
) -> tuple[int, str, dict[str, str]]:
    if step.keys() - STEP_KEYS or step["shell"] != "bash" or "${{" in step["run"]:
        raise ValueError(f"step {step['id']} uses what this script does not know")
    script, told = runner / f"{step['id']}.sh", runner / f"{step['id']}.outputs"
    script.write_text(step["run"], encoding="utf-8")
    told.touch()
    done = subprocess.run(
        [*SHELL, str(script)],
        cwd=workspace,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(runner)),
            **environment,
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(told),
            "GITHUB_STEP_SUMMARY": str(runner / "summary.md"),
            "RUNNER_TEMP": str(runner),
            **{name: resolve(value, values) for name, value in step.get("env", {}).items()},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, outputs_in(told.read_text(encoding="utf-8"))


def outputs_in(text: str) -> dict[str, str]:
    """The outputs of a step as a runner reads them: `name=value` a line, the last one of a name counts."""
    found = {}
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if not mark:
            raise ValueError(f"no output that a runner would take: {line!r}")
        found[name] = value
    return found


def main(arguments: list[str]) -> int:
    """Run the action in the working folder and print what it leaves behind."""
    bin_folder = None
    if arguments[:1] == ["--bin"]:
        bin_folder, arguments = Path(arguments[1]), arguments[2:]
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    given = dict(word.split("=", 1) for word in arguments)
    done = run(given, Path.cwd(), bin_folder=bin_folder, environment=pip)
    print(done.log, "\n# outputs", *(f"{name}={value}" for name, value in done.outputs.items()), sep="\n")
    print("\n# job summary", done.summary, sep="\n")
    return done.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Every command, metric and error is documented, and no generated page is older than the code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import subprocess
import sys
from types import ModuleType

import pytest

from audit import registry
from audit.report.profiles import PROFILES
from tests.architecture.modules import ROOT, modules, tree


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_what_the_code_says(build: ModuleType) -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in build.pages() if path.read_text("utf-8") != text]
    assert not stale, f"run `make docs`: {', '.join(stale)}"


def test_every_command_says_what_it_does_and_is_documented(build: ModuleType) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    seen = dict(build.helps())
    assert {"harm-audit run", "harm-audit gate", "harm-audit report", "harm-audit verify"} <= seen.keys()
    for path, text in seen.items():
        assert f"\n## {path}\n" in page
        described = text.partition("\n\n")[2].strip()
        assert described, f"{path} has no help"
        assert not described.startswith("Options:"), f"{path} has no help"


def test_every_metric_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    names = [*registry.metrics(), *registry.aliases()]
    assert names
    assert [name for name in names if f"\n### {name}\n" not in page] == []


def test_every_profile_is_documented_with_its_formats() -> None:
    page = (ROOT / "docs" / "governance.md").read_text("utf-8")
    for name in PROFILES:
        module = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
        assert f"| `{name}` | {', '.join(module.FORMATS)} | " in page, name


def test_every_error_is_documented_and_stands_in_one_module(build: ModuleType) -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    kinds = build.error_classes()
    names = {kind.__name__ for kind in kinds}
    assert [name for name in names if f"\n## {name}\n" not in page] == []
    assert len({kind.code for kind in kinds}) == len(kinds), "two errors share a code"
    strays = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for module, path in modules().items()
        if module != "audit.errors"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and {ast.unparse(base).rpartition(".")[2] for base in node.bases} & names
        and {"code", "exit_code"} & assigned(node)
    ]
    assert not strays, f"an error with a code of its own stands in audit/errors.py: {strays}"


def assigned(node: ast.ClassDef) -> set[str]:
    """The names that a class's body gives a value."""
    found = [target for line in node.body if isinstance(line, ast.Assign) for target in line.targets]
    return {ast.unparse(target) for target in found}


def test_every_exit_code_is_documented(build: ModuleType) -> None:
    assert {kind.exit_code for kind in build.error_classes()} <= build.EXITS.keys()


def test_readme_shows_the_real_help(build: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    block = build.HELP_BLOCK.search(readme)
    assert block, "README.md has no <!-- help --> … <!-- /help --> block"
    shown = subprocess.run(
        [sys.executable, "-m", "audit", "--help"],
        env={**os.environ, "COLUMNS": str(build.WIDTH)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert block[0].strip() == f"```text\n{shown.rstrip()}\n```"


def test_every_decision_is_numbered_and_short() -> None:
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [note.name[:3] for note in notes]
    assert numbers == [f"{n:03d}" for n in range(1, len(notes) + 1)]
    for note in notes:
        text = note.read_text("utf-8")
        assert len(text.split()) <= 600, f"{note.name} is longer than a page"
        assert "\n## Guarded by\n" in text, f"{note.name} does not say what guards it"

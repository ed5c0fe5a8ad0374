"""A module has one reason to exist and a function fits a screen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.modules import PACKAGE, ROOT, modules, tree

MODULE_LINES = 400
FUNCTION_LINES = 60
PATHS = sorted(modules().values())
IDS = [str(path.relative_to(ROOT)) for path in PATHS]


def is_catalogue(path: Path) -> bool:
    """A family of the registry is a list of entries, as long as there are entries."""
    return path.parent == PACKAGE / "registry" and path.name != "__init__.py"


@pytest.mark.parametrize("path", [p for p in PATHS if not is_catalogue(p)], ids=lambda p: p.name)
def test_module_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{path.relative_to(ROOT)} has {lines} lines"


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_functions_are_short(path: Path) -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := body_lines(node)) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_module_says_what_it_is_for(path: Path) -> None:
    empty = not tree(path).body
    assert empty or ast.get_docstring(tree(path)), f"{path.relative_to(ROOT)} has no docstring"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last.

    >>> body_lines(ast.parse("def f():\\n    'Docstring.'\\n    x = 1\\n    return x").body[0])
    2
    """
    body = function.body[1:] if ast.get_docstring(function) else function.body
    last = function.end_lineno or function.lineno
    return last - body[0].lineno + 1 if body else 0

"""The package as data for the tests beside this file: its modules and what they import, read with ast."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "audit"


@dataclass(frozen=True)
class Import:
    """One imported module as one import statement names it."""

    importer: str
    imported: str
    """The module, with the imported name joined on where that name is a module of this package."""
    path: Path
    line: int
    deferred: bool
    """It stands in a function or under TYPE_CHECKING: loading the importer does not load it."""

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by dotted name."""
    return {_dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module."""
    return tuple(found for name, path in modules().items() for found in _imports(name, path))


@cache
def repository_files() -> tuple[Path, ...]:
    """The files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(name: str, path: Path) -> list[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, deferred: bool) -> None:
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            joined = [f"{base}.{alias.name}" for alias in node.names]
            targets = [full if full in modules() else base for full in joined]
        else:
            targets = []
        for target in dict.fromkeys(targets):
            found.append(Import(name, target, path, node.lineno, deferred))
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, deferred or inside or _type_checking(node))

    visit(tree(path), False)
    return found


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)

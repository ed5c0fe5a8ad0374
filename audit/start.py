"""Where `harm-audit` begins. The wheel holds it outside the package, as `harm_audit` (pyproject.toml): where
another module called `audit` hides the package, nothing in it could say so.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Run the command line and return its exit code, also where it cannot be loaded."""
    try:
        other = another()
        if other is not None:
            print(
                f"error: another module named `audit` stands before this one: {other}\n"
                "  Hint: Work in a virtual environment; take its folder off PYTHONPATH, or rename it.",
                file=sys.stderr,
            )
            return 4
        command = importlib.import_module("audit.cli.main").main
    except KeyboardInterrupt:
        print("error: interrupted; nothing half written is left", file=sys.stderr)
        return 130
    code: int = command()
    return code


def another() -> str | None:
    """Where a module lies that Python would take for this package; None where it takes this one.

    It is looked for and not loaded: what a stranger's module does at import stays undone.
    """
    found = importlib.util.find_spec("audit")
    if found is None or not found.origin:
        return "no file of that name" if found is None else str(list(found.submodule_search_locations or ()))
    held = Path(found.origin).parent / "cli" / "main.py"
    return None if Path(found.origin).name == "__init__.py" and held.is_file() else found.origin

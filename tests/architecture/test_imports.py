"""Imports go down the floors, never round in a circle, and never into what a gate must not wait for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.architecture.modules import Import, imports, modules

FLOORS = {
    "shown": -1,
    "result": 0,
    "subject": -1,
    "codec": 0,
    "registry": 0,
    "resources": 0,
    "bundle": 1,
    "looks": 1,
    "spec": 1,
    "engine": 2,
    "governance": 2,
    "analysis": 3,
    "mitigation": 4,
    "gate": 4,
    "report": 5,
    "api": 6,
    "monitor": 6,
    "integrations": 6,
    "cli": 7,
    "start": 8,
    "__main__": 9,
}
"""A module imports from lower floors, from its own folder, and errors from anywhere."""

HEAVY = frozenset(
    {
        "ibis",
        "duckdb",
        "sqlglot",
        "pydantic",
        "numpy",
        "scipy",
        "pandas",
        "pyarrow",
        "polars",
        "sklearn",
        "skops",
        "onnxruntime",
        "fairlearn",
        "aif360",
        "sqlalchemy",
        "vl_convert",
        "matplotlib",
        "mlflow",
        "pyspark",
        "starlette",
        "uvicorn",
    }
)
LIGHT = (
    "audit",
    "audit.errors",
    "audit.result",
    "audit.codec",
    "audit.registry",
    "audit.resources",
    "audit.bundle",
    "audit.gate",
    "audit.engine.findings",
    "audit.report.junit",
    "audit.report.sarif",
    "audit.report.markdown",
    "audit.cli.main",
)
"""What `gate` and `--help` load; a heavy library behind any of them costs every start."""


def room(module: str) -> str:
    """The file or folder below `audit` that a module stands in.

    >>> room("audit.engine.metrics.rates"), room("audit")
    ('engine', '')
    """
    return module.partition(".")[2].partition(".")[0]


def test_every_module_has_a_floor() -> None:
    rooms = {room(name) for name in modules()} - {"", "errors"}
    assert rooms <= FLOORS.keys(), f"give {sorted(rooms - FLOORS.keys())} a floor in FLOORS"


def test_imports_go_down_the_floors() -> None:
    wrong = [
        f"{found.place}: {found.importer} (floor {FLOORS[room(found.importer)]}) "
        f"imports {found.imported} (floor {FLOORS[room(found.imported)]})"
        for found in _between_rooms()
        if FLOORS[room(found.imported)] >= FLOORS[room(found.importer)]
    ]
    assert not wrong, "\n".join(wrong)


def test_errors_import_nothing_of_the_package() -> None:
    wrong = [found.place for found in imports() if room(found.importer) == "errors" and _ours(found.imported)]
    assert not wrong, wrong


def test_no_import_goes_round_in_a_circle() -> None:
    edges: dict[str, dict[str, str]] = {name: {} for name in modules()}
    for found in imports():
        lazy_facade = found.importer == "audit" and found.deferred
        if _ours(found.imported) and found.imported != found.importer and not lazy_facade:
            edges[found.importer].setdefault(found.imported, found.place)
    circle = _circle(edges)
    steps = [f"{edges[a][b]}: {a} imports {b}" for a, b in pairwise(circle)]
    assert not circle, "\n".join(steps)


def test_nothing_heavy_stands_behind_the_gate_and_help() -> None:
    wrong = []
    for start in LIGHT:
        assert start in modules(), f"{start} is named in LIGHT and does not exist"
        wrong += [
            f"{found.place}: {found.imported} is loaded with {start}"
            for found in _loaded_with(start)
            if found.imported.partition(".")[0] in HEAVY
        ]
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def test_help_needs_no_command_module() -> None:
    wrong = [
        f"{found.place}: {found.imported}"
        for found in _loaded_with("audit.cli.main")
        if found.imported.startswith("audit.") and room(found.imported) not in {"cli", "errors"}
    ]
    assert not wrong, "\n".join(wrong)


def _ours(module: str) -> bool:
    return module == "audit" or module.startswith("audit.")


def _between_rooms() -> Iterator[Import]:
    """Imports from one room to another; the package itself is a façade and everybody's."""
    for found in imports():
        rooms = room(found.importer), room(found.imported)
        if _ours(found.imported) and rooms[0] != rooms[1] and not {"", "errors"} & set(rooms):
            yield found


def _loaded_with(start: str) -> list[Import]:
    """The imports that run when `start` is imported, those of its parent packages included."""
    direct: dict[str, list[Import]] = {name: [] for name in modules()}
    for found in imports():
        if not found.deferred:
            direct[found.importer].append(found)
    seen: set[str] = set()
    waiting, ran = [start], []
    while waiting:
        name = waiting.pop()
        if name in seen or name not in direct:
            continue
        seen.add(name)
        ran += direct[name]
        waiting += [found.imported for found in direct[name]]
        waiting.append(name.rpartition(".")[0])
    return ran


def _circle(edges: dict[str, dict[str, str]]) -> list[str]:
    """A path that ends where it starts, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for following in edges.get(name, ()):
            if found := walk(following, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in edges if (found := walk(name, []))), [])

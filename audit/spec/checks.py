"""What the parts of a spec's data must be to each other."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from audit.spec.model import Columns, Data
from audit.spec.problems import PathKey, Problems, listed, near_hint, quoted, shown
from audit.spec.secrets import bad_reference, has_reference, literal_secret
from audit.spec.sql import condition_problem, select_problem
from audit.spec.tasks import check_task

SEPARATE_ROLES = (
    *("label", "prediction", "score", "weight", "count", "time"),
    *("exposure", "query", "rank", "relevance"),
)
"""Roles that need a column each; `id` and `cluster` may share one."""
ROWS = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"),
    *(".parquet", ".pq", ".arrow", ".feather", ".ipc"),
)
"""Endings of files that hold rows and no tables."""


def check_data(data: Data, problems: Problems) -> None:
    """Every contradiction within `data`, as problems."""
    _columns(data.columns, problems)
    check_task(data, problems)
    _score(data, problems)
    _weights(data, problems)
    _attributes(data, problems)
    _control(data, problems)
    _population(data, problems)
    _source(data, problems)


def roles(columns: Columns) -> dict[str, str]:
    """The column of each role that has one."""
    return {role: column for role, column in columns if column is not None}


def _columns(columns: Columns, problems: Problems) -> None:
    given = roles(columns)
    if not given.keys() & {"label", "prediction", "score", "query"}:
        problems.add(
            ("data", "columns"),
            "`columns` names none of label, prediction, score; at least one is needed",
            "Write columns: {label: …, prediction: …}.",
        )
    taken: dict[str, str] = {}
    for role in SEPARATE_ROLES:
        column = given.get(role)
        if column is None:
            continue
        if column in taken:
            what = f"column {quoted(column)} serves both {taken[column]} and {role}; each needs its own"
            problems.add(("data", "columns", role), what)
        taken[column] = role


def _score(data: Data, problems: Problems) -> None:
    if data.threshold is None:
        return
    if data.columns.score is None:
        problems.add(
            ("data", "threshold"), "`threshold` without a score column", "Name it: columns: {score: …}."
        )
    if data.columns.prediction is not None:
        problems.add(
            ("data", "threshold"),
            "both a prediction column and a `threshold` say what a positive prediction is",
            "Take one of the two out.",
        )


def _weights(data: Data, problems: Problems) -> None:
    if data.weights is not None and data.columns.weight is None:
        problems.add(
            ("data", "weights"), "`weights` without a weight column", "Name it: columns: {weight: …}."
        )
    if data.columns.count is not None and data.columns.weight is not None:
        problems.add(
            ("data", "columns", "count"),
            "both `count` and `weight`; a row either stands for counted people or is weighted",
            "Multiply them into one column, or take one out.",
        )


def _attributes(data: Data, problems: Problems) -> None:
    by_column = {column: role for role, column in roles(data.columns).items()}
    for name, attribute in data.attributes.items():
        path: PathKey = ("data", "attributes", name)
        if not name.strip():
            problems.add(path, "an attribute's name is empty; allowed: text")
        if attribute.column in by_column:
            what = f"the attribute {quoted(name)} is the column that serves as {by_column[attribute.column]}"
            problems.add((*path, "column"), what, "An attribute needs a column of its own.")
        if attribute.bins is not None:
            _bins(attribute.bins, (*path, "bins"), problems)
            if attribute.map is not None:
                problems.add(
                    (*path, "map"), "both `bins` and `map`; an attribute is cut or renamed, not both"
                )
        if attribute.map is not None and not attribute.map:
            problems.add((*path, "map"), "`map` is empty", "Take it out, or write {F: Female}.")


def _population(data: Data, problems: Problems) -> None:
    for name in data.population if isinstance(data.population, dict) else ():
        if name not in data.attributes:
            what = f"`population`: no attribute is called {quoted(name)}; allowed: {listed(data.attributes)}"
            problems.add(("data", "population", name), what, near_hint(name, data.attributes))


def _bins(bins: tuple[float, ...], path: PathKey, problems: Problems) -> None:
    if not bins:
        problems.add(path, "`bins` is empty; allowed: one or more rising numbers, as [25, 40, 60]")
    for position, (low, high) in enumerate(pairwise(bins), start=1):
        if high <= low:
            what = f"`bins` do not rise: {high:g} follows {low:g}"
            problems.add((*path, position), what, "Write them in order, each once.")


def _control(data: Data, problems: Problems) -> None:
    by_column = {column: role for role, column in roles(data.columns).items()}
    attributes = {attribute.column for attribute in data.attributes.values()} | data.attributes.keys()
    for position in _doubles(data.control):
        what = f"`control` names {quoted(data.control[position])} twice"
        problems.add(("data", "control", position), what)
    for position, column in enumerate(data.control):
        if column in attributes:
            what = f"the control column {quoted(column)} is an attribute; strata must not be the groups"
            problems.add(("data", "control", position), what, "Take it out of one of the two.")
        elif column in by_column:
            what = f"the control column {quoted(column)} is the column that serves as {by_column[column]}"
            problems.add(("data", "control", position), what)


def _doubles(names: Iterable[str]) -> list[int]:
    seen: set[str] = set()
    doubled = []
    for position, name in enumerate(names):
        if name in seen:
            doubled.append(position)
        seen.add(name)
    return doubled


def _source(data: Data, problems: Problems) -> None:
    _address(data.source, ("data", "source"), problems)
    if data.table is not None and data.sql is not None:
        problems.add(("data", "sql"), "both `table` and `sql`; allowed: one of them")
    for key in ("table", "sql"):
        if getattr(data, key) is not None and data.source is None:
            problems.add(
                ("data", key), f"`{key}` without a `source`", "Name the database: source: warehouse.duckdb."
            )
        elif getattr(data, key) is not None and _is_rows(data.source):
            what = f"`{key}` goes with a database, and the source is a file of rows: {shown(data.source)}"
            problems.add(("data", key), what, "Take it out; `filter` takes a condition on a file's rows.")
    for key in ("table", "sql", "filter"):
        text = getattr(data, key)
        if text is not None and has_reference(text):
            problems.add(("data", key), f"`{key}` holds `${{`; the environment is read in `source` alone")
    if data.sql is not None and (reason := select_problem(data.sql, data.source)):
        problems.add(("data", "sql"), f"`sql`: {reason}")
    if data.filter is not None and (reason := condition_problem(data.filter, data.source)):
        problems.add(("data", "filter"), f"`filter`: {reason}")
    if data.join is not None:
        _address(data.join.source, ("data", "join", "source"), problems)
        if (data.join.table is None) == (data.join.source is None):
            found = "neither" if data.join.table is None else "both"
            problems.add(
                ("data", "join"), f"`join` has {found} of `table` and `source`; allowed: one of them"
            )


def _is_rows(source: str | None) -> bool:
    """Whether the source can only be a file of rows: it has one of their endings, and is no address."""
    if source is None or "://" in source or has_reference(source):
        return False
    return source.lower().removesuffix(".gz").endswith(ROWS)


def _address(source: str | None, path: PathKey, problems: Problems) -> None:
    if source is None:
        return
    if bad_reference(source):
        problems.add(
            path, "`source` holds a `${` that is not closed as ${NAME}", "Letters, digits and _ make a name."
        )
    secret = literal_secret(source)
    if secret is not None:
        problems.add(
            path,
            f"`source` has {secret} written out: {shown(source)}",
            "Keep it in the environment and write ${NAME} here, as postgres://user:${PGPASSWORD}@host/db.",
        )

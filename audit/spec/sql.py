"""A light reading of the SQL in a spec: one SELECT, or one condition, and nothing that writes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audit.spec.problems import short

LONGEST = 100_000

_DIALECTS = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "pyspark": "spark",
    "spark": "spark",
    "databricks": "databricks",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "mysql": "mysql",
    "mssql": "tsql",
    "oracle": "oracle",
    "sqlite": "sqlite",
    "trino": "trino",
    "athena": "athena",
    "clickhouse": "clickhouse",
    "redshift": "redshift",
    "duckdb": "duckdb",
}
_WRITES = [
    "Into",
    "Lock",
    "Insert",
    "Update",
    "Delete",
    "Merge",
    "Create",
    "Drop",
    "Alter",
    "Copy",
    "Attach",
    "Detach",
    "Install",
    "Command",
    "Pragma",
    "Set",
    "Use",
    "TruncateTable",
    "LoadData",
    "Transaction",
    "Commit",
    "Rollback",
    "Kill",
    "Grant",
    "Revoke",
    "Cache",
    "Uncache",
    "Analyze",
    "Describe",
    "Show",
]


def select_problem(sql: str, source: str | None) -> str | None:
    """Why `sql` is not one SELECT, or None where it is.

    >>> select_problem("SELECT * FROM loans", None)
    >>> select_problem("DROP TABLE loans", None)
    'found DROP; allowed: one SELECT'
    """
    statements = _parsed(sql, source)
    if isinstance(statements, str):
        return statements
    if len(statements) != 1:
        return f"found {len(statements)} statements; allowed: one SELECT"
    root = statements[0]
    forbidden = _first(root, _WRITES)
    if forbidden is not None:
        return f"found {forbidden}; allowed: one SELECT"
    inner = root
    while _is(inner, "Subquery"):
        inner = inner.this
    if not _is(inner, "Select", "SetOperation"):
        return f"found {_word(root)}; allowed: one SELECT"
    return None


def condition_problem(sql: str, source: str | None) -> str | None:
    """Why `sql` is not one condition on the row's columns, or None where it is.

    >>> condition_problem("age >= 18 AND country = 'AT'", None)
    >>> condition_problem("1 = 1; DROP TABLE loans", None)
    'found 2 statements; allowed: one condition, as age >= 18'
    """
    allowed = "allowed: one condition, as age >= 18"
    statements = _parsed(sql, source)
    if isinstance(statements, str):
        return statements
    if len(statements) != 1:
        return f"found {len(statements)} statements; {allowed}"
    root = statements[0]
    bare = _outside_quotes(sql)
    if any(node.comments for node in root.walk()) or any(mark in bare for mark in ("--", "/*", ";")):
        return f"found a comment or a semicolon; {allowed}"
    forbidden = _first(root, [*_WRITES, "Query", "AggFunc", "Window"])
    if forbidden is not None:
        return f"found {forbidden}; {allowed}"
    if not _is(root, "Condition", "Predicate", "Paren", "Not", "Column"):
        return f"found {_word(root)}; {allowed}"
    if _is(root, "Literal", "Null", "Star"):
        return f"found a value; {allowed}"
    return None


def _outside_quotes(sql: str) -> str:
    parts, quote = [], ""
    for character in sql:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        else:
            parts.append(character)
    return "".join(parts)


def _parsed(sql: str, source: str | None) -> list[Any] | str:
    """The statements, read in the dialect of the source or else in the common one; or why not."""
    import sqlglot

    if len(sql) > LONGEST:
        return f"found {len(sql)} characters of SQL; allowed: at most {LONGEST}"
    reason = ""
    for dialect in dict.fromkeys((_dialect(source), None)):
        try:
            with _quiet():
                parsed = sqlglot.parse(sql, read=dialect)
        except RecursionError:
            return "the SQL is nested too deep to be read"
        except Exception as error:
            # Rubbish makes the parser fail in more ways than its own errors.
            reason = reason or str(error).partition("\n")[0]
            continue
        found = [item for item in parsed if item is not None and type(item).__name__ != "Semicolon"]
        return found if found else "found no SQL statement"
    return f"cannot be read as SQL: {short(reason)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """sqlglot warns in the log where it falls back; here that is refused, so the words are ours."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _dialect(source: str | None) -> str:
    scheme = (source or "").partition("://")[0].partition("+")[0].lower()
    return _DIALECTS.get(scheme, "duckdb")


def _is(node: Any, *names: str) -> bool:
    from sqlglot import exp

    kinds = (getattr(exp, name, None) for name in names)
    return isinstance(node, tuple(kind for kind in kinds if isinstance(kind, type)))


def _first(root: Any, names: list[str]) -> str | None:
    return next((_word(node) for node in root.walk() if _is(node, *names)), None)


def _word(node: Any) -> str:
    text = str(node.this) if type(node).__name__ == "Command" else type(node).__name__
    return short(text.upper())

"""Databases by their address: opened to read one state of the data, and closed again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import ibis
from ibis.common.exceptions import IbisError

from audit.errors import UsageError

SPARK = ("pyspark", "spark")
_NETWORK_FILES = ("http", "https", "s3", "gs", "gcs", "abfs", "az")
_EXTRAS = {"postgres": "harm-audit[postgres]", "pyspark": "harm-audit[spark]"}
_ONE_STATE = "BEGIN ISOLATION LEVEL REPEATABLE READ"
"""Not READ ONLY: Ibis learns the types of a query from a temporary view. Closing rolls everything back."""
_QUIET_SPARK = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


@dataclass(frozen=True)
class Connection:
    """An Ibis backend, and what ends it."""

    backend: Any
    close: Callable[[], None]


def check_address(url: str) -> None:
    """A UsageError for files over the network, whatever else is said of them."""
    if url.partition("://")[0] in _NETWORK_FILES:
        raise UsageError(
            "files are not fetched over the network",
            where="data.source",
            hint="Download it first, or name a database URL with `table:` or `sql:`.",
        )


def connect(url: str) -> Connection:
    """The database at the address.

    PostgreSQL is read within one transaction that is rolled back, so that every aggregate sees the same rows.
    `pyspark://` is the session that Python has, or a new one; `pyspark://local[2]` and
    `spark://host:7077` name the master of a new one, and `?name=value` its settings. Errors: UsageError
    for files over the network, an address of no known kind, and a driver that is not installed.
    """
    check_address(url)
    scheme = url.partition("://")[0]
    name = "pyspark" if scheme in SPARK else scheme.replace("postgresql", "postgres")
    try:
        if name == "pyspark":
            return _spark(url)
        backend = ibis.connect(url)
    except ImportError as error:
        raise UsageError(
            f"the driver for {name} is not installed ({error.name or error})",
            where="data.source",
            hint=f"Type: pip install '{_EXTRAS.get(name, f'ibis-framework[{name}]')}'",
        ) from error
    if name == "postgres":
        with contextlib.ExitStack() as undo:
            undo.callback(backend.disconnect)
            backend.con.execute(_ONE_STATE)
            undo.pop_all()
    return Connection(backend, lambda: _disconnect(backend))


def _disconnect(backend: Any) -> None:
    with contextlib.suppress(IbisError, NotImplementedError):
        backend.disconnect()


def _spark(url: str) -> Connection:
    """A session that was there is used as it is and left as it was; a new one is stopped at the end."""
    from pyspark.sql import SparkSession

    there = SparkSession.getActiveSession()
    if there is not None:
        return Connection(ibis.pyspark.connect(there), lambda: None)
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    builder = SparkSession.builder.appName("harm-audit")
    for key, value in {**_QUIET_SPARK, **dict(parse_qsl(query))}.items():
        builder = builder.config(key, value)
    if place.strip("/"):
        builder = builder.master(url.partition("?")[0] if scheme == "spark" else place.strip("/"))
    session = builder.getOrCreate()
    return Connection(ibis.pyspark.connect(session), session.stop)

"""A real PostgreSQL and a real Spark with the same rows, started once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.engines import rows
from tests.needs import needs_extra, needs_java


@dataclass(frozen=True)
class Place:
    """Where an engine's rows lie: the spec's source, and a folder for spec files."""

    engine: str
    source: str
    folder: Path


@pytest.fixture(scope="session")
def tables() -> dict[str, Any]:
    return {"people": rows.people(), "persons": rows.origins()}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any]) -> Place:
    folder = tmp_path_factory.mktemp("duckdb")
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")
    return Place("duckdb", str(folder / "rows.duckdb"), folder)


@pytest.fixture(scope="session")
def postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any]) -> Place:
    for name, table in tables.items():
        rows.to_postgres(postgres_url, name, table)
    return Place("postgres", postgres_url, tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session of all tests, on two threads."""
    needs_java()
    needs_extra("pyspark")
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "scratch"),
    }
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = builder.getOrCreate()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def spark(session: Any, tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any]) -> Place:
    folder = tmp_path_factory.mktemp("views")
    for name, table in tables.items():
        rows.to_spark(session, name, table, folder)
    return Place("pyspark", "pyspark://", folder)

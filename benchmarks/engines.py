"""One audit on DuckDB, PostgreSQL and Spark: the same numbers, and what Spark takes beside its bare GROUP BY.

    python benchmarks/engines.py                  # 10 million rows on Spark, 1 million on PostgreSQL
    python benchmarks/engines.py --rows 100000    # a first look

Spark runs on two threads of this machine and reads Parquet; the audit and a bare GROUP BY over the same
columns alternate in one warm session, and the ratio is that of their medians. PostgreSQL is started in a
temporary folder. The last line is JSON: `spark_ratio_10m` (named after the rows), and `identical`, whether
counts, estimates, comparisons and verdicts are the same on all engines that ran.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from audit.codec import to_plain
from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.result import AuditResult
from audit.spec import load

CHUNK = 1_000_000
ALTERNATIONS = 9
CREATED = "2026-01-01T00:00:00Z"
MOST_POSTGRES = 1_000_000
"""PostgreSQL is here for its numbers; more rows only take longer to load."""
PARTS = ("estimates", "comparisons", "findings", "rules", "verdict", "cells")
BARE = "SELECT sex, race, age, label, prediction, count(*) FROM people GROUP BY ALL"
SPEC = """
system: {{name: benchmark}}
data:
  source: '{source}'
  {table}
  columns: {{label: label, prediction: prediction{more}}}
  attributes: {{sex: {{}}, race: {{}}, age: {{}}}}
  intersections: 2
policy:
  rules:
    - {{metric: four_fifths}}
    - {{metric: true_positive_rate, comparison: difference, at_most: 0.1}}
"""
WEIGHTED = ", score: score, weight: weight"
COLUMNS = "sex text, race text, age text, label bigint, prediction bigint, score float8, weight float8"


def main() -> int:
    """Measure and compare; 1 where the engines differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engines-") as name:
        folder = Path(name)
        large, small = folder / "large.parquet", folder / "small.parquet"
        write(large, options.rows)
        write(small, min(options.rows, MOST_POSTGRES))
        same, ratio = on_spark(folder, large)
        same &= on_postgres(folder, small)
    print(json.dumps({f"spark_ratio_{words(options.rows)}": ratio, "identical": same}))
    return 0 if same else 1


def words(rows: int) -> str:
    """The number of rows as it stands in a figure's name.

    >>> words(10_000_000), words(100_000)
    ('10m', '100k')
    """
    return f"{rows // 1_000_000}m" if rows >= 1_000_000 else f"{rows // 1000}k"


def write(path: Path, rows: int) -> None:
    """Random people, with 5 % of their race missing."""
    rng = np.random.default_rng(1)
    races = np.array(["Asian", "Black", "Hispanic", "Native", "Other", "White", None], dtype=object)
    ages = np.array(["18-29", "30-44", "45-59", "60+"], dtype=object)
    writer = None
    for start in range(0, rows, CHUNK):
        size = min(CHUNK, rows - start)
        label = rng.random(size) < 0.4
        score = np.clip(rng.normal(0.35 + 0.3 * label, 0.2), 0, 1)
        table = pa.table(
            {
                "sex": np.array(["Female", "Male"], dtype=object)[rng.integers(0, 2, size)],
                "race": races[rng.choice(7, size, p=[0.15] * 6 + [0.1])],
                "age": ages[rng.integers(0, 4, size)],
                "label": label.astype(np.int64),
                "prediction": (score >= 0.5).astype(np.int64),
                "score": score,
                "weight": rng.lognormal(0, 1, size),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def audited(folder: Path, source: str, table: str = "", more: str = "") -> tuple[AuditResult, Counts]:
    """The audit of a source, by a spec that is alike but for the source."""
    spec = folder / "audit.yaml"
    spec.write_text(SPEC.format(source=source, table=table and f"table: {table}", more=more))
    return audit(load(spec), created_at=CREATED)


def alike(mine: tuple[AuditResult, Counts], theirs: tuple[AuditResult, Counts]) -> bool:
    """Whether counts and all that is judged from them are the same."""
    parts = all(to_plain(getattr(mine[0], part)) == to_plain(getattr(theirs[0], part)) for part in PARTS)
    return parts and mine[1].save() == theirs[1].save()


def on_spark(folder: Path, rows: Path) -> tuple[bool, float]:
    """Whether Spark's numbers are DuckDB's, and its audit's time as a multiple of its bare GROUP BY's."""
    with spark() as session:
        session.read.parquet(str(rows)).createOrReplaceTempView("people")
        same = True
        for more in ("", WEIGHTED):
            theirs = audited(folder, "pyspark://", "people", more)
            same &= alike(audited(folder, str(rows), more=more), theirs)
        times: dict[str, list[float]] = {"bare": [], "audit": []}
        for _ in range(ALTERNATIONS):
            for name, work in (
                ("bare", lambda: session.sql(BARE).collect()),
                ("audit", lambda: audited(folder, "pyspark://", "people")),
            ):
                start = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - start)
    bare, ours = (statistics.median(times[name]) for name in ("bare", "audit"))
    print(f"Spark: bare GROUP BY {bare:.2f} s, audit {ours:.2f} s; the same as DuckDB: {same}")
    return same, round(ours / bare, 2)


@contextmanager
def spark() -> Iterator[Any]:
    """A Spark session on two threads."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[2]").appName("benchmark")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()


def on_postgres(folder: Path, rows: Path) -> bool:
    """Whether PostgreSQL's numbers are DuckDB's; True, and said so, where there is no server program."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(programs[-1]) if programs else None)
    if found is None:
        print("PostgreSQL: not on this machine, not compared")
        return True
    with server(Path(found).resolve().parent) as url:
        lines = folder / "rows.csv"
        duckdb.sql(f"COPY (SELECT * FROM '{rows}') TO '{lines}' (HEADER false)")
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE people ({COLUMNS})")
            with cursor.copy("COPY people FROM STDIN (FORMAT csv)") as copy, lines.open("rb") as stream:
                while block := stream.read(1 << 20):
                    copy.write(block)
            connection.commit()
            cursor.execute("ANALYZE people")
        with psycopg.connect(url) as connection:
            start = time.perf_counter()
            connection.execute(BARE.replace("GROUP BY ALL", "GROUP BY 1, 2, 3, 4, 5")).fetchall()
            bare = time.perf_counter() - start
        start = time.perf_counter()
        plain = audited(folder, url, "people")
        ours = time.perf_counter() - start
        same = alike(audited(folder, str(rows)), plain)
        same &= alike(audited(folder, str(rows), more=WEIGHTED), audited(folder, url, "people", WEIGHTED))
    print(f"PostgreSQL: bare GROUP BY {bare:.2f} s, audit {ours:.2f} s; the same as DuckDB: {same}")
    return same


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """A PostgreSQL of its own in a temporary folder; root hands it to the user that the package made."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), "-D", str(folder / "data"), *arguments],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    try:
        run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(
            "pg_ctl", "-l", str(folder / "log"), "-w", "-o", f"-p {port} -k {folder} -h 127.0.0.1 -F", "start"
        )
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

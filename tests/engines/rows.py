"""One set of rows, full of what engines treat differently, and the specs that audit it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS = 6000
KINDS = {"string": "text", "int64": "bigint", "int32": "integer", "double": "float8", "float": "real"}
KINDS |= {"bool": "boolean", "date32[day]": "date", "decimal128(12, 2)": "numeric(12, 2)"}
RULES = """
  rules:
    - {metric: four_fifths}
    - {metric: true_positive_rate, comparison: difference, at_most: 0.2}
    - {metric: selection_rate, comparison: ratio, at_least: 0.6, id: ratio}
"""


def people(seed: int = 7, rows: int = ROWS) -> pa.Table:
    """Rows with missing, empty and padded names, booleans, dates, float32 scores and huge weights."""
    rng = np.random.default_rng(seed)
    group = rng.choice(np.array(["a", "b", "b ", "", "É", None], dtype=object), rows)
    true = rng.random(rows) < 0.45
    score = np.clip(rng.normal(0.4 + 0.2 * true, 0.25), 0, 1).astype(np.float32)
    gaps = rng.random(rows) < 0.02
    single = pa.array(score, mask=gaps)
    return pa.table(
        {
            "id": pa.array(np.arange(rows)),
            "person": pa.array([f"id-{n}" for n in rng.integers(0, rows // 3, rows)]),
            "household": pa.array(rng.integers(0, 40, rows)),
            "g": pa.array(group, type=pa.string()),
            "flag": pa.array([None if x > 1 else bool(x) for x in rng.choice(3, rows, p=[0.5, 0.4, 0.1])]),
            "age": pa.array(rng.integers(15, 90, rows), mask=rng.random(rows) < 0.05, type=pa.int32()),
            "wave": pa.array(rng.choice([18000, 18500], rows).astype("datetime64[D]")),
            "grade": pa.array(rng.choice([1.0, 2.5, float("nan")], rows), mask=rng.random(rows) < 0.05),
            "money": pa.array(rng.choice([1, 2], rows).astype(np.int32)).cast(pa.decimal128(12, 2)),
            "y": pa.array(np.where(true, "Yes", "no").astype(object), mask=rng.random(rows) < 0.1),
            "p": pa.array(score > 0.5, mask=gaps),
            "s": single,
            "d": (amount := pa.array(rng.normal(100, 30, rows))),
            "paid": pc.if_else(pc.greater(pa.array(score), 0.7), None, amount),
            "w": pa.array(np.exp2(rng.uniform(-10, 16, rows))),
            "k": pa.array(rng.integers(0, 50, rows)),
            "q": pa.array(np.round(score.astype(np.float64) * 700) / 700, mask=gaps),
            "r": pa.array(np.ceil(score * 10).astype(np.int32), mask=gaps),
        }
    )


SPECS = {
    "decisions": """
  columns: {label: y, prediction: p, id: person}
  positive: {label: 'Yes', prediction: true}
  attributes: {g: {}, flag: {}, age: {bins: [25, 40, 65]}, wave: {}, grade: {}, money: {}}
  filter: age >= 18 OR age IS NULL
""",
    "weighted scores": """
  columns: {label: y, score: s, weight: w}
  threshold: 0.5
  attributes: {g: {as: race_ethnicity}, flag: {}}
  intersections: 2
  control: [wave]
""",
    "few scores": """
  columns: {label: y, score: q, weight: w}
  threshold: 0.5
  attributes: {g: {}, flag: {}}
""",
    "deciles": """
  columns: {label: y, score: r, cluster: person}
  threshold: 5
  attributes: {g: {}}
""",
    "scores of any size": """
  columns: {label: y, score: d}
  threshold: 101.5
  attributes: {g: {as: sex}}
  filter: d > 0
  missing: exclude
""",
    "clusters": """
  columns: {label: y, prediction: p, score: s, cluster: person}
  attributes: {g: {}}
""",
    "numbered clusters": """
  columns: {label: y, prediction: p, cluster: household}
  attributes: {flag: {}}
""",
    "counted rows": """
  columns: {label: y, score: s, count: k}
  threshold: 0.25
  attributes: {g: {as: sex}}
""",
    "regression": """
  task: regression
  columns: {label: paid, prediction: s, weight: w}
  attributes: {g: {}, flag: {}}
  filter: d > 0
""",
    "several classes": """
  task: multiclass
  columns: {label: grade, prediction: money}
  attributes: {g: {}, flag: {}}
""",
    "joined": """
  columns: {label: y, prediction: p}
  attributes: {origin: {}}
  join: {table: persons, on: id}
""",
}

OWN_RULES = {
    "regression": """
  rules:
    - {metric: mae, comparison: ratio, at_most: 1.2}
    - {metric: rmse, comparison: difference, at_most: 5}
    - {metric: prediction_ks, comparison: distance, at_most: 0.2}
""",
    "several classes": """
  rules:
    - {metric: true_positive_rate, comparison: difference, at_most: 0.2}
    - {metric: macro_f1, comparison: difference, at_most: 0.2}
""",
}
"""Rules of the specs whose task RULES do not fit."""


def origins(rows: int = ROWS) -> pa.Table:
    """The joined table: an attribute that most people have."""
    ids = np.arange(0, rows, 1)[::-1][: rows * 9 // 10]
    return pa.table({"id": ids, "origin": np.array(["north", "south", "west "])[ids % 3]})


def spec_file(folder: Path, name: str, source: str, *, table: str | None = "people") -> Path:
    """An audit.yaml that differs from engine to engine in its source alone."""
    where = f"  source: '{source}'\n" + (f"  table: {table}\n" if table else "")
    path = folder / f"{re.sub(r'[^a-z]+', '-', name)}.yaml"
    rules = OWN_RULES.get(name, RULES)
    body = f"system: {{name: engines}}\ndata:\n{where}{SPECS[name]}policy:\n  min_group: 30{rules}"
    path.write_text(body, encoding="utf-8")
    return path


def to_postgres(url: str, name: str, table: pa.Table) -> None:
    """The rows as a table of the server."""
    columns = ", ".join(f'"{field.name}" {KINDS[str(field.type)]}' for field in table.schema)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} ({columns})")
        with cursor.copy(f"COPY {name} FROM STDIN") as copy:
            for row in table.to_pylist():
                copy.write_row(tuple(row.values()))


def to_spark(session: Any, name: str, table: pa.Table, folder: Path) -> Path:
    """The rows as a view of the session, over a Parquet file."""
    path = folder / f"{name}.parquet"
    pq.write_table(table, path)
    session.read.parquet(str(path)).createOrReplaceTempView(name)
    return path

"""PostgreSQL and Spark count what DuckDB counts, and give out cells alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest

from audit import bundle
from audit.cli.main import main
from audit.codec import to_plain
from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.errors import DataError
from audit.result import AuditResult
from audit.spec import AuditSpec, load
from tests.engines import rows
from tests.engines.conftest import Place

CREATED = "2026-01-01T00:00:00Z"
SERVERS = [pytest.param("postgres"), pytest.param("spark", marks=pytest.mark.slow)]
PARTS = ("estimates", "comparisons", "findings", "rules", "verdict", "cells", "conditional", "not_measured")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(request.param)
    return place


def run(place: Place, name: str) -> tuple[AuditResult, Counts]:
    return audit(load(rows.spec_file(place.folder, name, place.source)), created_at=CREATED)


@pytest.mark.parametrize("name", rows.SPECS)
def test_numbers_are_those_of_duckdb_to_the_last_count(name: str, embedded: Place, server: Place) -> None:
    mine, counts = run(embedded, name)
    theirs, other = run(server, name)
    assert other.save() == counts.save()
    for part in PARTS:
        assert to_plain(getattr(theirs, part)) == to_plain(getattr(mine, part)), part
    assert theirs.data.excluded == mine.data.excluded
    assert theirs.data.attributes == mine.data.attributes
    assert theirs.data.warnings == mine.data.warnings


def test_the_rows_hold_what_engines_disagree_about(embedded: Place) -> None:
    values = {item.name: item.values for item in run(embedded, "decisions")[0].data.attributes}
    assert values["g"] == ("", "a", "b", "b ", "É", None)
    assert values["flag"] == ("false", "true", None)
    weighted = run(embedded, "weighted scores")[1]
    assert weighted.median is not None
    assert sum(int(value) for value in weighted.cells[0].sums["w2"]) > 2**63


WAYS_OUT = (
    "execute",
    "to_pandas",
    "to_pandas_batches",
    "to_polars",
    "to_pyarrow_batches",
    "to_torch",
    "to_list",
)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every table that leaves an engine by any way that Ibis has."""
    seen: list[Any] = []
    whole = ibis.expr.types.Table.to_pyarrow

    def watched(self: Any, **options: Any) -> Any:
        got = whole(self, **options)
        seen.append(got)
        return got

    def refused(self: Any, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("rows leave the engine by another way than the one that is watched")

    monkeypatch.setattr(ibis.expr.types.Table, "to_pyarrow", watched)
    for kind in (ibis.expr.types.Table, ibis.expr.types.Column, ibis.expr.types.Scalar):
        for name in WAYS_OUT:
            if hasattr(kind, name):
                monkeypatch.setattr(kind, name, refused)
        if kind is not ibis.expr.types.Table:
            monkeypatch.setattr(kind, "to_pyarrow", refused)
    return seen


ROW_COLUMNS = {"id", "person", "household", "age", "d", "cluster"}
SUMS = {"n", "w", "w2", "s", "ss", "ws", "wss", "w2s", "w2ss", "low", "high", "bad_w", "bad_k"}


@pytest.mark.parametrize("name", ["decisions", "weighted scores", "clusters", "joined"])
def test_nothing_but_cells_leaves_the_engine(name: str, server: Place, fetched: list[Any]) -> None:
    _, counts = run(server, name)
    assert len(fetched) >= (1 if name == "joined" else 2)
    for table in fetched:
        counted = table.num_rows == 1 or "n" in table.column_names
        assert counted, f"no count among {table.column_names}"
        assert not ROW_COLUMNS & set(table.column_names)
        if table.num_rows > 1:
            keys = [name for name in table.column_names if name not in SUMS]
            # Spark's driver gives NULL and NaN out alike, and both are a missing value.
            doubles = [name for name in keys if pa.types.is_floating(table[name].type)]
            sound = [row for row in table.to_pylist() if all(row[name] in (1.0, 2.5) for name in doubles)]
            cells = [tuple(row[name] for name in keys) for row in sound]
            assert len(set(cells)) == len(cells)
            assert sum(int(value) for value in table["n"].to_pylist()) == counts.rows_read
    people = {f"id-{number}" for number in range(rows.ROWS)}
    texts = {value for table in fetched for column in table.columns for value in column.to_pylist()}
    assert not people & texts


ONE_QUERY = """
  columns: {label: y, prediction: p}
  attributes: {g: {}, grade: {}, age: {bins: [25, 40]}}
  control: [wave]
  filter: age >= 18 OR age IS NULL
"""


def changed(place: Place, old: str, new: str) -> AuditSpec:
    path = rows.spec_file(place.folder, "decisions", place.source)
    body = path.read_text().replace(rows.SPECS["decisions"], ONE_QUERY)
    assert old in body
    path.write_text(body.replace(old, new))
    return load(path)


def test_a_few_keys_cost_one_query(server: Place, embedded: Place, fetched: list[Any]) -> None:
    """Where a query by itself costs time or money, no probe goes before the cells that make it needless."""
    _, counts = audit(changed(server, "wave", "wave"), created_at=CREATED)
    assert len(fetched) == 1
    assert audit(changed(embedded, "wave", "wave"), created_at=CREATED)[1].save() == counts.save()


@pytest.mark.parametrize(
    ("old", "new"),
    [("grade: {}", "household: {}, k: {}, s: {}"), ("grade: {}", "household: {}, k: {}, w: {}")],
)
def test_a_cross_too_wide_is_counted_as_after_a_probe(
    old: str, new: str, server: Place, embedded: Place, fetched: list[Any]
) -> None:
    theirs = audit(changed(server, old, new), created_at=CREATED)[1]
    sizes = [len(table) for table in fetched]
    assert 1 in sizes
    mine = audit(changed(embedded, old, new), created_at=CREATED)[1]
    assert len(mine.cells) > 1
    assert theirs.save() == mine.save()


@pytest.mark.parametrize(
    ("old", "new"),
    [("prediction: p", "prediction: id"), ("label: y", "label: id"), ("label: y", "label: d")],
)
def test_what_is_no_decision_is_refused_as_everywhere(
    old: str, new: str, server: Place, embedded: Place, fetched: list[Any]
) -> None:
    said = []
    for place in (server, embedded):
        with pytest.raises(DataError) as caught:
            audit(changed(place, old, new), created_at=CREATED)
        said.append(re.sub("source.*", "", str(caught.value)))
    assert said[0] == said[1]
    assert "6000 distinct values" in said[0]


def test_no_rows_are_told_by_every_engine(server: Place, embedded: Place) -> None:
    for place in (server, embedded):
        spec = changed(place, "  table: people", "  sql: SELECT * FROM people WHERE k < 0")
        with pytest.raises(DataError, match="has no rows"):
            audit(spec, created_at=CREATED)


def test_the_command_line_takes_an_address(
    server: Place, embedded: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = []
    for place in (server, embedded):
        spec, out = rows.spec_file(place.folder, "decisions", place.source), tmp_path / place.engine
        assert main(["run", str(spec), "--out", str(out), "--json"]) == 0
        verdicts.append(json.loads(capsys.readouterr().out)["verdict"])
        assert main(["run", str(spec), "--explain"]) == 0
        assert "GROUP BY" in capsys.readouterr().out
        gated = main(["gate", str(out)])
        capsys.readouterr()
        assert gated == {"pass": 0, "violation": 1, "inconclusive": 3}[verdicts[-1]]
    assert verdicts[0] == verdicts[1]
    made = [json.loads((tmp_path / place.engine / bundle.AUDIT).read_bytes()) for place in (server, embedded)]
    assert made[0]["estimates"] == made[1]["estimates"]
    assert made[0]["data"]["source"] == re.sub(r"//.*@", "//***@", server.source)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("table: people", "table: poeple"), "no table is called 'poeple'"),
        (("g: {}", "gee: {}"), "no column is called 'gee'"),
        (("age >= 18", "age >= agee"), "`filter` cannot be asked"),
        (("prediction: p,", "prediction: d,"), "distinct values"),
    ],
)
def test_what_is_wrong_is_said_and_the_connection_closed(
    change: tuple[str, str], words: str, server: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = rows.spec_file(server.folder, "decisions", server.source)
    spec.write_text(spec.read_text().replace(*change))
    assert main(["run", str(spec), "--out", str(server.folder / "out")]) in (2, 4)
    told = capsys.readouterr().err
    assert words in told
    assert "internal error" not in told


def test_postgres_is_read_within_one_state(postgres: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that arrive between two aggregates are in neither."""
    import psycopg

    from audit.engine import aggregate

    before = run(postgres, "clusters")[1]
    whole, added = aggregate.fetch, []

    def fetch_and_add(table: Any) -> Any:
        got = whole(table)
        with psycopg.connect(postgres.source) as other:
            other.execute("INSERT INTO people (g, y, p, s, person) VALUES ('a', 'Yes', true, 0.5, 'new')")
        added.append(1)
        return got

    monkeypatch.setattr(aggregate, "fetch", fetch_and_add)
    try:
        during = run(postgres, "clusters")[1]
    finally:
        with psycopg.connect(postgres.source) as other:
            other.execute("DELETE FROM people WHERE person = 'new'")
    assert len(added) > 1
    assert during.save() == before.save()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("postgres://nobody@127.0.0.1:1/none", "could not be read"),
        ("nosuch://host/db", "could not be read"),
        ("s3://bucket/rows.parquet", "not fetched over the network"),
    ],
)
def test_address_that_leads_nowhere(
    source: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = rows.spec_file(tmp_path, "decisions", source)
    assert main(["run", str(spec), "--out", str(tmp_path / "out")]) in (2, 4)
    told = capsys.readouterr().err
    assert words in told
    assert "nobody" not in told


@pytest.mark.slow
def test_spark_reads_parquet_by_path(spark: Place, embedded: Place) -> None:
    mine = run(embedded, "joined")[1]
    path = rows.spec_file(spark.folder, "joined", spark.source, table="./people.parquet")
    path.write_text(path.read_text().replace("{table: persons,", "{table: ./persons.parquet,"))
    assert audit(load(path), created_at=CREATED)[1].save() == mine.save()

"""Rankings, and tables before training, give PostgreSQL's figures to the last digit where rows lie there."""

from __future__ import annotations

import pyarrow as pa
import pytest

from audit.analysis.data_audit import examine
from audit.analysis.data_report import Measure
from audit.analysis.dataset import open_dataset
from audit.engine.run import audit
from audit.spec import from_dict, of_table
from tests.engine.make import CREATED
from tests.engine.test_ranking import lists
from tests.engines import rows

NAME = "ranked_lists"


@pytest.fixture(scope="module")
def table(postgres_url: str) -> pa.Table:
    frame = lists(40)
    frame["rank"] = frame["rank"].astype(int)
    made = pa.Table.from_pandas(frame, preserve_index=False)
    texts = {name: pa.string() for name in ("q", "g")}
    made = made.cast(pa.schema([(field.name, texts.get(field.name, field.type)) for field in made.schema]))
    rows.to_postgres(postgres_url, NAME, made)
    return made


@pytest.mark.parametrize("order", [{"rank": "rank"}, {"score": "score"}])
def test_rankings_are_the_same(table: pa.Table, postgres_url: str, order: dict[str, str]) -> None:
    found = []
    for place in ({}, {"source": postgres_url, "table": NAME}):
        columns = {"query": "q", "relevance": "rel", **order}
        data = {"task": "ranking", "top": 3, "columns": columns, "attributes": {"g": {}}, **place}
        spec = from_dict({"system": {"name": "search"}, "data": data})
        result, _ = audit(spec, frame=None if place else table, created_at=CREATED)
        found.append([(one.metric, one.group, one.value, one.low) for one in result.estimates])
    assert found[0] == found[1]


def test_tables_before_training_are_the_same(table: pa.Table, postgres_url: str) -> None:
    found: list[list[Measure]] = []
    for place in ({}, {"source": postgres_url, "table": NAME}):
        spec = of_table({"columns": {"label": "rel"}, "attributes": {"g": {"reference": "rest"}}, **place})
        with open_dataset(spec, frame=None if place else table) as dataset:
            found.append([one for one in examine(dataset).measures if one.metric != "proxy_auc"])
    assert found[0] == found[1]

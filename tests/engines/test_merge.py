"""Counts of several sites, added up, are the counts of the pooled rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from audit import bundle
from audit.cli.main import main
from audit.codec import to_plain
from audit.engine.counts import Counts
from audit.engine.merge import NO_MEDIAN, SHARED_CLUSTERS, merge
from audit.engine.run import audit
from audit.result import AuditResult
from audit.spec import load
from tests.engines import rows

SITES = ("north", "south", "west")
NAMES = ("decisions", "weighted scores", "few scores", "deciles", "clusters")
CREATED = "2026-01-01T00:00:00Z"


def sited(table: pa.Table, name: str) -> list[pa.Table]:
    """Three sites of unlike sizes; where there are clusters, each lies at one site."""
    person = pc.cast(pc.utf8_replace_slice(table["person"], 0, 3, ""), pa.int64()).to_numpy()
    part = person % 3 if "cluster" in rows.SPECS[name] else table["id"].to_numpy() % 7 // 3
    return [table.filter(pa.array(part == site)) for site in range(3)]


def spec_file(home: Path, name: str, table: pa.Table) -> Path:
    """A spec beside its rows; no law that asks for a median, which counts do not hold."""
    home.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, home / "rows.parquet")
    spec = rows.spec_file(home, name, "rows.parquet", table=None)
    spec.write_text(spec.read_text().replace("{as: race_ethnicity}", "{}"))
    return spec


def audited(spec: Path) -> tuple[AuditResult, Counts]:
    return audit(load(spec), created_at=CREATED)


@pytest.fixture(scope="module", params=NAMES)
def sites(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The counts files of three sites, and the audit of their rows pooled."""
    folder, name = tmp_path_factory.mktemp("sites"), request.param
    table = rows.people(seed=11, rows=3000)
    files = []
    for place, part in zip(SITES, sited(table, name), strict=True):
        files.append(folder / f"{place}.parquet")
        files[-1].write_bytes(audited(spec_file(folder / place, name, part))[1].save())
    spec = spec_file(folder / "pooled", name, table)
    return {"name": name, "files": files, "spec": spec, "pooled": audited(spec)}


def test_three_sites_merged_equal_the_pooled_rows(sites: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "together"
    assert main(["merge", *map(str, sites["files"]), "--spec", str(sites["spec"]), "--out", str(out)]) == 0
    assert bundle.verify(out).ok
    together, pooled = json.loads((out / bundle.AUDIT).read_bytes()), to_plain(sites["pooled"][0])
    assert json.dumps(together["estimates"]).encode() == json.dumps(pooled["estimates"]).encode()
    for part in ("comparisons", "rules", "findings", "cells", "conditional", "score_bins", "verdict"):
        assert together[part] == json.loads(json.dumps(pooled[part])), part
    for part in ("rows_read", "rows_audited", "attributes"):
        assert together["data"][part] == json.loads(json.dumps(pooled["data"][part]))
    assert together["data"]["kind"] == "counts"
    assert together["data"]["digest"]


def test_order_and_steps_of_merging_do_not_matter(sites: dict[str, Any], tmp_path: Path) -> None:
    first, second, third = map(str, sites["files"])
    two, three, back = (tmp_path / name for name in ("two.parquet", "three.parquet", "back.parquet"))
    assert main(["merge", first, second, "--out", str(two)]) == 0
    assert main(["merge", str(two), third, "--out", str(three)]) == 0
    assert main(["merge", third, second, first, "--out", str(back)]) == 0
    made = [pq.read_table(path) for path in (three, back)]
    assert made[0].num_rows > 1
    assert made[0].equals(made[1])


def test_what_a_sum_cannot_know_is_said(tmp_path: Path) -> None:
    table = rows.people(seed=13, rows=600)
    parts = {}
    for name in ("scores of any size", "clusters"):
        counts = audited(spec_file(tmp_path / name, name, table))[1]
        parts[name] = merge([("a", counts), ("b", counts)])
    scored = parts["scores of any size"]
    assert (scored.median, scored.above) == (None, ())
    assert NO_MEDIAN in scored.notes
    assert SHARED_CLUSTERS in parts["clusters"].notes
    assert SHARED_CLUSTERS not in scored.notes


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("small")
    made = {}
    for place, part in zip(SITES, sited(rows.people(seed=3, rows=900), "clusters"), strict=True):
        spec = spec_file(folder / place, "numbered clusters", part)
        made[place] = str(folder / f"{place}.parquet")
        Path(made[place]).write_bytes(audited(spec)[1].save())
    made["other"] = str(rows.spec_file(folder, "clusters", "rows.parquet", table=None))
    made["text"] = str(folder / "text.parquet")
    Path(made["text"]).write_text("no counts")
    made["none"] = str(folder / "none.parquet")
    return made


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["north"], 2, "nothing to be added to"),
        (["north", "south", "north"], 2, "nobody is to be counted twice"),
        (["north", "none"], 2, "cannot be read"),
        (["north", "text"], 4, "not a counts file"),
        (["north", "south", "--spec", "other"], 2, "the spec's attributes: g; the counts': flag"),
    ],
)
def test_what_cannot_be_added_is_refused(
    arguments: list[str],
    code: int,
    words: str,
    small: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [small.get(argument, argument) for argument in arguments]
    assert main(["merge", *given, "--out", str(tmp_path / "out")]) == code
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_bundles_are_merged_where_they_are_of_one_model_and_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    parts = sited(rows.people(seed=5, rows=900), "scores of any size")
    for place, part, threshold in zip(SITES, parts, ("101.5", "101.5", "90"), strict=True):
        spec = spec_file(tmp_path / place, "decisions" if place != "west" else "scores of any size", part)
        spec.write_text(spec.read_text().replace("101.5", threshold))
        made.append(str(tmp_path / place / "evidence"))
        assert main(["run", str(spec), "--out", made[-1], "--quiet"]) == 0
    out = str(tmp_path / "sum.parquet")
    assert main(["merge", *made[:2], "--out", out]) == 0
    assert Counts.load(Path(out).read_bytes()).rows > 300
    capsys.readouterr()
    assert main(["merge", made[0], made[2], "--out", out]) == 2
    assert "its threshold is 90.0" in capsys.readouterr().err
    assert main(["merge", *(f"{path}/counts.parquet" for path in made), "--out", out]) == 4
    assert "cannot be added" in capsys.readouterr().err
    (tmp_path / "north" / "evidence" / "counts.parquet").write_bytes(b"")
    assert main(["merge", *made[:2], "--out", out]) == 4
    assert "counts.parquet" in capsys.readouterr().err

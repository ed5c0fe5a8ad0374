"""Two audits: what changed is told from noise, on pairs where rows match."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit import api, codec
from audit.cli.main import main
from audit.engine.run import audit
from audit.engine.two_rates import TwoRates
from audit.errors import AuditError
from audit.mitigation.compare import BundleComparison, compare, independent_change, match
from audit.report import compare_page
from audit.result import AuditResult
from audit.spec import AuditSpec, load
from tests.mitigation import small

CREATED = "2026-01-01T00:00:00Z"
HOSTILE = "<script>alert(1)</script>"


def spec(folder: Path, name: str, frame: pd.DataFrame) -> AuditSpec:
    frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / f"{name}.yaml").write_text(small.SPEC.replace("rows.csv", f"{name}.csv"))
    return load(folder / f"{name}.yaml")


def audited(made: AuditSpec) -> AuditResult:
    return audit(made, created_at=CREATED)[0]


def mended(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(said=(frame.skill + 0.4 > 0).astype(int))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditSpec, AuditSpec]:
    folder, frame = tmp_path_factory.mktemp("two"), small.people(2000)
    return spec(folder, "before", frame), spec(folder, "after", mended(frame).sample(frac=1, random_state=1))


def both(pair: tuple[AuditSpec, AuditSpec], *, paired: bool) -> BundleComparison:
    first, second = (audited(one) for one in pair)
    return compare(("a" * 64, first), ("b" * 64, second), match(*pair) if paired else None)


@pytest.mark.parametrize("paired", [True, False])
def test_a_mended_gap_is_better(pair: tuple[AuditSpec, AuditSpec], paired: bool) -> None:
    found = both(pair, paired=paired)
    row = found.row("true_positive_rate", "difference", ("race",), "b")
    assert row is not None
    assert row.says == "better"
    assert row.before is not None
    assert row.after is not None
    assert row.change.value == pytest.approx(abs(row.before) - abs(row.after))
    assert found.paired is paired
    assert found.how.startswith("paired" if paired else "independent")


def test_pairs_are_narrower_where_a_gap_is_left(tmp_path: Path) -> None:
    frame = small.people(2000)
    less = frame.assign(said=(frame.skill - 0.6 * (frame.race == "b") + 0.4 > 0).astype(int))
    two = (spec(tmp_path, "before", frame), spec(tmp_path, "after", less))
    widths = []
    for paired in (True, False):
        row = both(two, paired=paired).row("true_positive_rate", "difference", ("race",), "b")
        assert row is not None
        assert row.change.low is not None
        assert row.change.high is not None
        widths.append(row.change.high - row.change.low)
    assert widths[0] < 0.8 * widths[1]


def test_the_same_audit_twice_is_all_noise(pair: tuple[AuditSpec, AuditSpec]) -> None:
    found = both((pair[0], pair[0]), paired=True)
    assert {one.says for one in found.compared} == {"noise"}
    assert all(one.change.value == 0 for one in found.compared)


def test_noise_is_noise() -> None:
    """Twelve pairs of audits of one world: some comparison is called a change in few of them."""
    called = 0
    made = small.load_spec()
    for seed in range(12):
        results = [
            audit(made, frame=small.people(500, 2 * seed + at), created_at=CREATED)[0] for at in (0, 1)
        ]
        found = compare(("a", results[0]), ("b", results[1]))
        called += any(one.says in ("better", "worse") for one in found.compared)
    assert called <= 3  # at 5 % more than three of twelve happen once in five hundred


def test_rows_that_do_not_match_are_accounted_for(tmp_path: Path) -> None:
    frame = small.people(300)
    other = mended(frame).iloc[40:].copy()
    other.loc[other.index[:5], "good"] = 1 - other["good"].iloc[:5]
    matched = match(spec(tmp_path, "a", frame), spec(tmp_path, "b", other))
    assert len(matched.rows) == 255
    assert [one.what for one in matched.left_out] == ["40 rows", "5 rows"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.assign(person=f.person + 10**6), "share no id"),
        (lambda f: pd.concat([f, f]), "occur again"),
    ],
)
def test_rows_that_cannot_match_are_an_error(tmp_path: Path, change: object, says: str) -> None:
    frame = small.people(200)
    with pytest.raises(AuditError, match=says):
        match(spec(tmp_path, "a", frame), spec(tmp_path, "b", change(frame)))  # type: ignore[operator]


def test_an_undefined_comparison_stays_undefined(pair: tuple[AuditSpec, AuditSpec]) -> None:
    result = audited(pair[0])
    row = result.comparisons[0]
    gone = replace(row, value=None, low=None, high=None, why="no rows")
    assert independent_change(row, gone).value is None
    assert independent_change(row, gone).why == "no rows"


def test_independent_limits_cover(pair: tuple[AuditSpec, AuditSpec]) -> None:
    """Two audits of 300 a group whose gaps are known: at most 5 % miss, and the simulation's noise."""
    rng, draws = np.random.default_rng(4), 800
    row = next(c for c in audited(pair[0]).comparisons if c.comparison == "difference")
    sides = []
    for rates in ((0.4, 0.7), (0.6, 0.7)):
        x = [rng.binomial(300, rate, draws) for rate in rates]
        test = TwoRates(x[0], 300, x[1], 300, "difference")
        low, high = test.interval(0.05)
        sides.append(list(zip(test.estimate, low, high, strict=True)))
    missed = 0
    for before, after in zip(*sides, strict=True):
        ends = [replace(row, value=v, low=low, high=high, why=None) for v, low, high in (before, after)]
        change = independent_change(ends[0], ends[1])
        assert change.low is not None
        assert change.high is not None
        missed += not change.low <= 0.2 <= change.high
    assert missed / draws < 0.05 + 0.02


def test_the_command_and_its_page(
    pair: tuple[AuditSpec, AuditSpec], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(tmp_path / name) for name in ("before", "after")]
    for one, out in zip(pair, folders, strict=True):
        api.run(one, out=out, created_at=CREATED)
    rows = ("--rows", *(str(one.path) for one in pair))
    page, out = tmp_path / "c.html", tmp_path / "c.json"
    assert main(["compare", *folders, *rows, "--html", str(page), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Better" in said
    assert "paired" in said
    assert codec.loads(BundleComparison, out.read_bytes(), where="x").paired
    assert "better" in page.read_text()
    assert main(["compare", *folders, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paired"] is False


def test_hostile_names_are_text(pair: tuple[AuditSpec, AuditSpec]) -> None:
    found = both(pair, paired=True)
    hostile = replace(found, compared=tuple(replace(one, group=HOSTILE) for one in found.compared))
    assert "<script>" not in compare_page.render(hostile)

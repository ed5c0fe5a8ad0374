"""Score bins: one a score while there are few; counts of two reads as if the rows had been read together."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audit.engine import prepare
from audit.engine.counts import Counts
from audit.engine.edges import logit_edges, value_edges
from audit.engine.exclusions import FILTERED, GAP, NO_PREDICTION
from audit.engine.merge import merge
from audit.engine.sums import exact, score_sums
from audit.errors import DataError
from tests.engine.make import audited, estimate, run, spec

SCORED = {"label": "y", "score": "s"}
floats = st.floats(allow_nan=False, allow_infinity=False)


def rows(seed: int, scores: np.ndarray) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = len(scores)
    y = np.where(np.arange(size) < 2, np.arange(size), rng.integers(0, 2, size))
    return pd.DataFrame({"g": rng.choice(["a", "b"], size), "s": scores, "y": y})


def grid(seed: int, size: int, steps: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, steps + 1, size) / steps


def counted(frame: pd.DataFrame | pa.Table, columns: dict[str, str] = SCORED) -> Counts:
    return audited(spec(columns), frame)[1]


@given(st.lists(floats, min_size=1, unique=True))
def test_every_score_lies_in_the_bin_of_its_place(values):
    ordered = np.unique(np.array(values))
    edges = np.array(value_edges(ordered))
    assert len(edges) == len(ordered) + 1
    assert np.all(np.diff(edges) >= 0)
    assert (np.searchsorted(edges[1:-1], ordered, side="right") == np.arange(len(ordered))).all()


CASES = {
    "few on both sides": (grid(1, 300, 16), grid(2, 500, 20)),
    "few here, many there": (grid(1, 300, 16), np.random.default_rng(3).random(3000)),
    "few on both sides, many together": (
        np.random.default_rng(4).random(700),
        np.random.default_rng(5).random(600),
    ),
    "whole numbers": (1.0 + np.arange(200) % 10, 3.0 + np.arange(300) % 9),
    "one side within 0 and 1": (np.arange(200) % 2 * 1.0, np.arange(300) % 10 * 1.0),
    "many together, of any size": (
        100 * np.random.default_rng(6).random(700),
        50 * np.random.default_rng(7).random(600) - 3,
    ),
    "one score": (np.full(50, 0.25), np.full(60, 0.75)),
    "the ends": (np.array([0.0, 1.0] * 40), np.array([0.0, 1e-7, 1 - 1e-7, 1.0] * 10)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("columns", [SCORED, SCORED | {"weight": "w", "cluster": "c"}], ids=["rows", "all"])
def test_two_reads_added_are_one(case, columns):
    parts = [rows(8 + i, scores) for i, scores in enumerate(CASES[case])]
    parts = [
        part.assign(w=np.arange(len(part)) % 7 / 4 + 1, c=1000 * i + np.arange(len(part)) // 2)
        for i, part in enumerate(parts)
    ]
    one, two = (counted(part, columns) for part in parts)
    together = counted(pd.concat(parts, ignore_index=True), columns)
    for added in (one + two, two + one, Counts.load(one.save()) + two):
        assert added.edges == together.edges
        assert added.save() == together.save()


def left_out(seed: int, scores: np.ndarray, other: float) -> pd.DataFrame:
    """Rows of which every tenth is not audited, in one of four ways, and has a score of its own kind."""
    frame = rows(seed, scores).assign(p=np.arange(len(scores)) % 2, keep=1, k=1)
    frame["p"] = frame["p"].astype(str)
    out = np.arange(9, len(frame), 10)
    frame.loc[out, "s"] = other + np.arange(len(out)) if np.isfinite(other) else other
    frame.loc[out[0::4], "g"] = None
    frame.loc[out[1::4], "p"] = " "
    frame.loc[out[2::4], "keep"] = 0
    frame.loc[out[3::4], "k"] = 0
    return frame


OUT = {
    "columns": SCORED | {"prediction": "p", "count": "k"},
    "missing": "exclude",
    "filter": "keep = 1",
    "positive": {"label": "1", "prediction": "1"},
}


@pytest.mark.parametrize("other", [7.0, -3.0, np.nan, np.inf], ids=str)
@pytest.mark.parametrize(
    "scores",
    [grid(3, 400, 10), np.random.default_rng(3).random(3000), 300 * np.random.default_rng(3).random(3000)],
    ids=["few", "many", "of any size"],
)
def test_scores_of_rows_left_out_bear_on_nothing(scores, other):
    pandas = left_out(14, scores, other)
    frame = pa.Table.from_pandas(pandas.drop(columns="s"), preserve_index=False)
    frame = frame.append_column("s", pa.array(pandas.s.to_numpy()))
    made = spec(**OUT)
    found = audited(made, frame)[1]
    frame = frame.append_column("number", pa.array(np.arange(len(frame)) % 10))
    alone = audited(made, frame.filter(pc.field("number") < 9))[1]
    assert dict(found.excluded).keys() == {FILTERED, GAP, NO_PREDICTION}
    assert found.edges == alone.edges
    for mine, theirs in zip((*found.scores, *found.cells), (*alone.scores, *alone.cells), strict=True):
        for part in ("keys", "sums"):
            held, expected = getattr(mine, part), getattr(theirs, part)
            assert {name: list(values) for name, values in held.items()} == {
                name: list(values) for name, values in expected.items()
            }


def test_as_many_scores_as_bins_have_one_each_beside_rows_without_a_score():
    scores = np.tile(np.arange(1, prepare.SCORE_BINS + 1) / 1024, 2)
    frame = rows(15, np.append(scores, 0.5))
    table = pa.Table.from_pandas(frame.drop(columns="s"), preserve_index=False)
    table = table.append_column("s", pa.array(frame.s, mask=np.arange(len(frame)) == len(frame) - 1))
    assert counted(table).edges == counted(frame[:-1]).edges == value_edges(np.unique(scores))


def test_a_zero_has_no_sign():
    one, two = rows(16, np.tile([0.0, 1.0], 40)), rows(17, np.tile([-0.0, 1.0], 40))
    together = counted(pd.concat([one, two], ignore_index=True)).save()
    assert (counted(one) + counted(two)).save() == (counted(two) + counted(one)).save() == together
    wide = [frame.assign(s=5 * frame.s) for frame in (one, two)]
    assert str(counted(wide[1]).edges[0]) == "0.0"


def test_parts_are_merged_in_any_order():
    """Of any size, and more together than there are bins: a sum of the first must not fix the range."""
    rng = np.random.default_rng(18)
    parts = [rows(18 + i, np.round(rng.normal(100 * i, 30, 600), 1)) for i in range(4)]
    together = counted(pd.concat(parts, ignore_index=True)).save()
    named = [(f"site {i}", counted(part)) for i, part in enumerate(parts)]
    for order in itertools.permutations(named):
        assert merge(order).save() == together


def test_parts_that_cannot_be_merged_are_told_why():
    parts = [
        (f"site {i}", counted(rows(i, np.random.default_rng(i).normal(100 * i, 9, 3000)))) for i in range(2)
    ]
    with pytest.raises(DataError, match="score bins differ") as raised:
        merge(parts)
    assert raised.value.where == "site 0 and site 1"
    assert "one formula" in str(raised.value.hint)


def test_reasons_stand_in_the_order_of_the_rows_read_together():
    one, two = left_out(19, grid(4, 400, 10), 0.5), rows(20, grid(5, 300, 10)).assign(p="1", keep=1, k=1)
    two.loc[5, "p"] = " "
    made = spec(**OUT)
    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in (two, one)]
    first, second = (audited(made, table)[1] for table in tables)
    together = audited(made, pa.concat_tables(tables))[1]
    assert (first + second).excluded == (second + first).excluded == together.excluded


def test_counts_of_an_earlier_version_may_come_first_or_last():
    """They do not say how many bins there may be."""
    new, other = (counted(rows(21 + i, np.random.default_rng(i).random(3000))) for i in range(2))
    old = replace(new, bins=0)
    assert (old + other).save() == (other + old).save() == (new + other).save()


def test_more_scores_than_the_probe_had_are_binned(monkeypatch):
    """The first rows have two scores, the rest more than there are bins."""
    monkeypatch.setattr(prepare, "PROBE_ROWS", 1000)
    frame = rows(9, np.concatenate([grid(1, 1000, 1), np.random.default_rng(1).random(5000)]))
    found = counted(frame)
    assert len(found.edges) == prepare.SCORE_BINS + 1
    assert found.rows == 6000
    made = run(frame, SCORED)
    for g, part in frame.groupby("g"):
        assert estimate(made, "auc", g=str(g)).value == pytest.approx(roc_auc_score(part.y, part.s), abs=1e-3)


def test_more_cells_than_are_fetched_are_binned(monkeypatch):
    monkeypatch.setattr("audit.engine.aggregate.MAX_SCORE_CELLS", 50)
    assert len(counted(rows(10, grid(1, 3000, 200))).edges) == prepare.SCORE_BINS + 1


def test_rows_without_a_score_have_no_bin():
    frame = rows(11, grid(1, 400, 16))
    frame.loc[::5, "s"] = np.nan
    frame["s"] = frame["s"].astype("Float64")
    made = counted(frame.assign(p=frame.index % 2), SCORED | {"prediction": "p"})
    assert made.rows == 400
    assert (
        sum(
            int(n) for n, b in zip(made.scores[0].sums["n"], made.scores[0].keys["bin"], strict=True) if b < 0
        )
        == 80
    )
    assert len(made.edges) == 18


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.30000000000000004, 0.3, 0.5, 1.0]), min_size=20, max_size=60))
def test_areas_are_those_of_pairs_whatever_ties_there_are(scores):
    frame = rows(12, np.array(scores)).assign(g="a")
    found = estimate(run(frame, SCORED), "auc", g="a").value
    assert found == pytest.approx(roc_auc_score(frame.y, frame.s), abs=1e-12)


@pytest.mark.parametrize(
    "scores", [grid(2, 3000, 50), np.random.default_rng(2).random(3000)], ids=["few", "many"]
)
def test_more_rows_than_doubles_add_up_are_summed_as_integers(scores, monkeypatch):
    frame = rows(13, scores)
    quick = counted(frame).save()
    asked = []
    monkeypatch.setattr("audit.engine.aggregate.FEW_ROWS", 1)
    monkeypatch.setattr(
        "audit.engine.sums.exact", lambda table, units: asked.append(1) or exact(table, units)
    )
    assert counted(frame).save() == quick
    assert asked


def test_as_many_scores_as_bins_have_one_each_beside_rows_without():
    values = np.arange(1, prepare.SCORE_BINS + 1) / 1024
    frame = rows(14, np.concatenate([values, values, [0.5]])).assign(p=1)
    frame.loc[len(frame) - 1, "s"] = None
    found = counted(frame, SCORED | {"prediction": "p"})
    assert len(found.edges) == prepare.SCORE_BINS + 1
    assert found.edges != tuple(logit_edges(prepare.SCORE_BINS))


def test_doubles_are_given_up_where_bins_turn_out_to_hold_more_rows_than_scores(monkeypatch):
    """Few rows a score in the probe; the bins of all rows hold more than doubles may add up."""
    monkeypatch.setattr(prepare, "PROBE_ROWS", 900)
    monkeypatch.setattr("audit.engine.aggregate.FEW_ROWS", 20)
    asked = []

    def spied(*arguments, few=False):
        asked.append(few)
        return score_sums(*arguments, few=few)

    monkeypatch.setattr("audit.engine.aggregate.score_sums", spied)
    counted(rows(15, 0.5 + np.random.default_rng(15).permutation(3000) / 1e6))
    assert asked == [True, True, False]

"""Slices from a table: bins, rates, the two halves, and what bad input is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit import codec
from audit.analysis import permutation, search
from audit.analysis.binning import OTHER, compress, plan_bins
from audit.analysis.lattice import Cells
from audit.analysis.rates import Rate
from audit.analysis.slice_report import SliceReport
from audit.analysis.slices import find_slices
from audit.analysis.tables import as_table
from audit.errors import DataError, UsageError
from benchmarks import slices as benchmark

SHARE = Rate("share", numerator="error")
FEATURES = ("f0", "f1", "f2", "f3", "f4", "f5")


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    frame, _ = benchmark.with_slice(3)
    return frame


@pytest.fixture(scope="module")
def report(planted: pd.DataFrame) -> SliceReport:
    return find_slices(
        planted, SHARE, features=("f0", "f1", "f2", "f3", "f4", "f5"), person="person", examples=2
    )


def test_a_planted_slice_of_three_conditions_is_found_and_confirmed(
    planted: pd.DataFrame, report: SliceReport
) -> None:
    assert benchmark.finds_planted(planted, FEATURES)
    assert report.confirmed


def test_the_numbers_are_those_of_the_rows(planted: pd.DataFrame, report: SliceReport) -> None:
    assert report.discovery_rows + report.confirmation_rows == len(planted)
    errors = planted["error"].astype(bool)
    total_bad = round((report.confirmation_rate or 0) * report.confirmation_rows)
    for one in report.slices:
        rows = benchmark.rows_of(planted, tuple(f"{c.feature}={c.level}" for c in one.conditions))
        assert one.discovery.rows + one.confirmation.rows == rows.sum()
        assert one.discovery.bad + one.confirmation.bad == (errors & rows).sum()
        assert one.discovery.rows >= report.min_rows
        table = [
            [one.confirmation.bad, one.confirmation.rows - one.confirmation.bad],
            [
                total_bad - one.confirmation.bad,
                report.confirmation_rows - total_bad - one.confirmation.rows + one.confirmation.bad,
            ],
        ]
        assert one.p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
        assert one.confirmed == (one.p_adjusted <= 0.05)


def test_equal_input_gives_equal_bytes_whatever_the_order_of_rows(
    planted: pd.DataFrame, report: SliceReport
) -> None:
    shuffled = planted.sample(frac=1, random_state=1)
    again = find_slices(shuffled, SHARE, features=("f0", "f1", "f2", "f3", "f4", "f5"), person="person")
    for one, other in zip(report.slices, again.slices, strict=True):
        assert (one.name, one.p, one.discovery) == (other.name, other.p, other.discovery)


def test_the_report_survives_json(report: SliceReport) -> None:
    assert codec.loads(SliceReport, codec.dumps(report), where="slices.json") == report


def test_examples_are_bad_rows_of_the_slice(report: SliceReport) -> None:
    for one in report.slices:
        assert len(one.examples) == 2
        for row in one.examples:
            assert row["error"] == "true"
            assert all(row[c.feature] == c.level for c in one.conditions)


def test_each_person_counts_once_and_in_one_half() -> None:
    frame, names = benchmark.no_signal(0, rows_each=4)
    found = find_slices(frame, SHARE, features=names, person="person")
    assert found.discovery_rows + found.confirmation_rows == frame["person"].nunique()


def test_without_an_id_the_report_says_what_that_risks() -> None:
    frame, names = benchmark.no_signal(0)
    assert any("Split by row" in note for note in find_slices(frame, SHARE, features=names).notes)


@pytest.mark.slow
def test_no_signal_is_rarely_confirmed_also_with_repeated_people() -> None:
    result = benchmark.validity(60)
    assert result["valid"], result
    assert result["planted_found"] >= 0.9, result


def rated() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 2000
    label, group = rng.random(n) < 0.4, rng.choice(["a", "b"], n)
    wrong = rng.random(n) < np.where(group == "a", 0.4, 0.1)
    return pd.DataFrame(
        {
            "group": group,
            "x": rng.normal(size=n),
            "label": np.where(label, "yes", "no"),
            "prediction": np.where(label ^ wrong, "yes", "no"),
            "loss": rng.exponential(np.where(group == "a", 2.0, 0.5)),
        }
    )


@pytest.mark.parametrize(
    "rate",
    [
        Rate("error_rate", "label", "prediction"),
        Rate("false_positive_rate", "label", "prediction", "yes"),
        Rate("false_negative_rate", "label", "prediction", "yes"),
        Rate("loss", loss="loss"),
    ],
    ids=lambda rate: rate.metric,
)
def test_every_rate_finds_the_worse_group(rate: Rate) -> None:
    frame = rated()
    found = find_slices(frame, rate, features=("group", "x"))
    assert [c.words for c in found.slices[0].conditions] == ["group = a"]
    assert found.slices[0].confirmed
    counted = {"false_positive_rate": "no", "false_negative_rate": "yes"}.get(rate.metric)
    rows = frame if counted is None else frame[frame["label"] == counted]
    bad = rows["loss"] if rate.metric == "loss" else rows["label"] != rows["prediction"]
    whole = (found.discovery_rate or 0) * found.discovery_rows
    whole += (found.confirmation_rate or 0) * found.confirmation_rows
    assert whole == pytest.approx(bad.sum(), rel=1e-5)


def test_bins_follow_the_stated_rules() -> None:
    rng = np.random.default_rng(1)
    n = 1000
    frame = pd.DataFrame(
        {
            "many": rng.normal(size=n),
            "few": rng.integers(0, 4, n),
            "zeros": np.where(rng.random(n) < 0.9, 0.0, rng.random(n)),
            "text": np.where(np.arange(n) < 5, np.char.add("rare", np.arange(n).astype(str)), "common"),
            "constant": "c",
            "bad": False,
        }
    )
    frame.loc[0, "many"] = np.nan
    table = as_table(frame)
    bins, left_out = plan_bins(table, None, reserved=frozenset({"bad"}), min_rows=10, fold=True)
    by_name = {one.feature: one for one in bins}
    assert [(one.what, one.why) for one in left_out] == [("constant", "it holds one value")]
    assert len(by_name["many"].edges) == 9
    assert by_name["zeros"].edges == (0.0,)
    assert (by_name["few"].kind, by_name["few"].folded) == ("levels", 0)
    assert (by_name["text"].kept, by_name["text"].folded) == (("common",), 5)
    cells = compress(table, bins, table["bad"])
    assert cells.rows == n
    many = cells.features.index("many")
    sizes = {
        level: int(cells.n[cells.codes[:, many] == code].sum())
        for code, level in enumerate(cells.levels[many])
    }
    assert sizes.pop(None) == 1
    assert set(sizes) == {str(at) for at in range(10)}
    assert all(98 <= size <= 102 for size in sizes.values())
    text = cells.features.index("text")
    assert set(cells.levels[text]) == {"common", OTHER}


def test_a_feature_of_a_hundred_thousand_values_is_refused_or_left_out_with_words() -> None:
    n = 100_000
    frame = pd.DataFrame(
        {"key": np.char.add("k", np.arange(n).astype(str)), "g": np.arange(n) % 3, "error": 0}
    )
    frame.loc[::7, "error"] = 1
    with pytest.raises(DataError, match="100,000 distinct values"):
        find_slices(frame, SHARE, features=("key",))
    found = find_slices(frame, SHARE)
    assert "identifier" in found.left_out[0].why
    assert [one.feature for one in found.features] == ["g"]
    numeric = find_slices(frame.assign(key=np.arange(n) / 7), SHARE, features=("key",))
    assert len(numeric.features[0].edges) == 9


def test_infinite_numbers_fall_into_the_outer_bins() -> None:
    frame = rated()
    frame.loc[frame["x"] < -1, "x"] = -np.inf
    frame.loc[frame["x"] > 1, "x"] = np.inf
    edges = find_slices(frame, Rate("loss", loss="loss"), features=("x",)).features[0].edges
    assert len(edges) >= 5
    assert np.isfinite(edges).all()


def test_no_error_at_all_says_so() -> None:
    frame = rated().assign(error=0)
    found = find_slices(frame, SHARE, features=("group",))
    assert not found.slices
    assert any("nothing to find" in note for note in found.notes)


BAD_INPUT = {
    "unknown rate": (lambda f: find_slices(f, Rate("tpr")), UsageError, "no rate is called"),
    "argument missing": (lambda f: find_slices(f, Rate("loss")), UsageError, "needs loss"),
    "unknown column": (lambda f: find_slices(f, Rate("loss", loss="los")), UsageError, "no column"),
    "unknown feature": (
        lambda f: find_slices(f, Rate("loss", loss="loss"), features=("grp",)),
        UsageError,
        "no column",
    ),
    "unknown id": (lambda f: find_slices(f, Rate("loss", loss="loss"), person="id"), UsageError, "no column"),
    "decimal id": (lambda f: find_slices(f, Rate("loss", loss="loss"), person="x"), DataError, "decimal"),
    "negative loss": (lambda f: find_slices(f, Rate("loss", loss="x")), DataError, "losses run from"),
    "loss is text": (lambda f: find_slices(f, Rate("loss", loss="group")), DataError, "not a number"),
    "positive nowhere": (
        lambda f: find_slices(f, Rate("false_negative_rate", "label", "prediction", "Yes")),
        DataError,
        "never holds",
    ),
    "types differ": (
        lambda f: find_slices(f, Rate("error_rate", "label", "x")),
        DataError,
        "Say which value",
    ),
    "numerator is no flag": (
        lambda f: find_slices(f, Rate("share", numerator="x")),
        DataError,
        "true and false",
    ),
    "too few rows": (lambda f: find_slices(f.head(50), Rate("loss", loss="loss")), DataError, "too few"),
    "support": (lambda f: find_slices(f, Rate("loss", loss="loss"), min_support=0), UsageError, "support"),
    "top": (lambda f: find_slices(f, Rate("loss", loss="loss"), top=0), UsageError, "0 slices"),
    "confidence": (
        lambda f: find_slices(f, Rate("loss", loss="loss"), confidence=1),
        UsageError,
        "confidence",
    ),
    "examples": (lambda f: find_slices(f, Rate("loss", loss="loss"), examples=-1), UsageError, "examples"),
    "dates": (
        lambda f: find_slices(
            f.assign(day=pd.Timestamp("2026-01-01")), Rate("loss", loss="loss"), features=("day",)
        ),
        DataError,
        "its type",
    ),
    "no file": (lambda f: find_slices("nowhere.csv", SHARE), UsageError, "no such file"),
}


@pytest.mark.parametrize("case", BAD_INPUT, ids=str)
def test_bad_input_gets_clear_words(case: str) -> None:
    call, kind, words = BAD_INPUT[case]
    with pytest.raises(kind, match=words):
        call(rated())


def test_files_are_read_with_their_types(tmp_path: Path) -> None:
    frame = rated()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    rate = Rate("error_rate", "label", "prediction")
    found = [
        find_slices(tmp_path / name, rate, features=("group", "x")) for name in ("rows.csv", "rows.parquet")
    ]
    assert found[0] == found[1]
    (tmp_path / "rows.xls").write_bytes(b"x")
    with pytest.raises(UsageError, match="unknown kind"):
        find_slices(tmp_path / "rows.xls", rate)


def uniform(seed: int, signal: float, rows: int = 1500) -> pd.DataFrame:
    """Four features of three values; errors at .2, more where f0 is a and f1 is b."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"f{i}": rng.choice(list("abc"), rows) for i in range(4)})
    chance = 0.2 + signal * ((frame.f0 == "a") & (frame.f1 == "b"))
    return frame.assign(person=np.arange(rows), error=rng.random(rows) < chance)


def test_by_permutation_everyone_is_searched_and_tested() -> None:
    frame = uniform(1, 0.5)
    found = find_slices(frame, SHARE, person="person", features=FEATURES[:4], test="max-t")
    first = found.slices[0]
    assert {(c.feature, c.level) for c in first.conditions} == {("f0", "a"), ("f1", "b")}
    assert first.confirmed
    assert first.p_adjusted == pytest.approx(1 / 1000)
    rows = frame[(frame.f0 == "a") & (frame.f1 == "b")]
    assert (first.confirmation.rows, first.confirmation.bad) == (len(rows), rows.error.sum())
    assert (first.low, first.high) == (None, None)
    assert (found.test, found.permutations, found.discovery_rows) == ("max-t", 999, len(frame))
    assert any("chosen by looking" in note for note in found.notes)
    assert [one.p_adjusted for one in found.slices] == sorted(one.p_adjusted for one in found.slices)
    shuffled = frame.sample(frac=1, random_state=3)
    again = find_slices(shuffled, SHARE, person="person", features=FEATURES[:4], test="max-t")
    assert codec.dumps(again) == codec.dumps(found)


@pytest.mark.slow
def test_no_signal_is_rarely_confirmed_by_permutation_and_a_weak_one_more_often_than_by_halves() -> None:
    """Over the cells themselves, 200 draws without and with a signal, as `find_slices` judges them."""
    confirmed = []
    for signal in (0.0, 0.14):
        hits = 0
        for seed in range(200):
            cells = cells_of(uniform(seed, signal, 1200))
            [best, *_] = search.worst(cells, 30, k=1)
            largest = permutation.largest_scores(cells, 30, max_depth=None, weight=None, draws=99)
            hits += permutation.adjusted(np.array([best.score]), largest)[0] <= 0.05
        confirmed.append(hits / 200)
    assert confirmed[0] <= stats.binom.ppf(0.999, 200, 0.05) / 200
    assert confirmed[1] > 0.5


def cells_of(frame: pd.DataFrame) -> Cells:
    features = [c for c in frame if c.startswith("f")]
    grouped = frame.groupby(features, sort=True).error.agg(["size", "sum"]).reset_index()
    levels = tuple(tuple(sorted(frame[c].unique())) for c in features)
    columns = [np.searchsorted(level, grouped[c]) for level, c in zip(levels, features, strict=True)]
    codes = np.column_stack(columns)
    n, k = (grouped[c].to_numpy().astype(np.int64) for c in ("size", "sum"))
    return Cells(tuple(features), levels, codes.astype(np.int32), n, k)


def test_dealing_is_uniform_over_rows_and_its_largest_score_is_that_of_a_loop() -> None:
    frame = uniform(4, 0.0, 300)
    cells = cells_of(frame)
    largest = permutation.largest_scores(cells, 30, max_depth=2, weight=None, draws=150)
    rng = np.random.default_rng(0)
    by_hand = []
    for _ in range(150):
        dealt = frame.assign(error=rng.permutation(frame.error))
        by_hand.append(search.worst(cells_of(dealt), 30, k=1, max_depth=2)[0].score)
    assert stats.ks_2samp(largest, by_hand).pvalue > 0.001


def test_what_permutation_cannot_do_it_says() -> None:
    frame = uniform(2, 0.0).assign(loss=0.5)
    frame.loc[::3, "loss"] = 1.5
    with pytest.raises(UsageError, match="loss is not tested"):
        find_slices(frame, Rate("loss", loss="loss"), features=("f0", "f1"), test="max-t")
    with pytest.raises(UsageError, match="no test 'bootstrap'"):
        find_slices(frame, SHARE, features=("f0", "f1"), test="bootstrap")
    with pytest.raises(UsageError, match="too many for permutations"):
        permutation.largest_scores(cells_of(frame), 30, max_depth=None, weight=None, draws=10**9)

"""`harm-audit data`: what it finds in a made-up table, in every format, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import codec
from audit.analysis.data_audit import examine
from audit.analysis.data_figures import Options
from audit.analysis.data_report import DataReport, Measure
from audit.analysis.dataset import open_dataset
from audit.analysis.overlap import overlap
from audit.cli.main import main
from audit.errors import DataError, UsageError
from audit.spec import of_table

ROWS = 1_200


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sex is nearly given away by `title`, somewhat by `income`, exactly by `code`, and not by `town`."""
    random = np.random.default_rng(7)
    woman = random.random(ROWS) < 0.4
    title = np.where(woman, random.choice(["Ms", "Mrs", "Dr"], ROWS, p=[0.6, 0.3, 0.1]), "")
    title = np.where(~woman, random.choice(["Mr", "Dr"], ROWS, p=[0.85, 0.15]), title)
    income = np.round(random.normal(np.where(woman, 30, 40), 8), 2)
    missing = random.random(ROWS) < np.where(woman, 0.2, 0.05)
    return pd.DataFrame(
        {
            "sex": np.where(woman, "F", "M"),
            "title": title,
            "income": np.where(missing, np.nan, income),
            "town": random.choice(["a", "b", "c"], ROWS),
            "code": np.where(woman, random.choice(["f1", "f2"], ROWS), "m1"),
            "person_id": np.arange(ROWS),
            "constant": "x",
            "note": [f"text {at}" for at in range(ROWS)],
            "repaid": np.where(random.random(ROWS) < np.where(woman, 0.4, 0.6), "yes", "no"),
        }
    )


def report_of(source: Any, **options: Any) -> DataReport:
    spec = of_table(
        {
            "source": None if isinstance(source, pd.DataFrame) else str(source),
            "columns": {"label": "repaid"},
            "attributes": {"sex": {}},
            "positive": "yes",
        }
    )
    frame = source if isinstance(source, pd.DataFrame) else None
    with open_dataset(spec, frame=frame) as dataset:
        return examine(dataset, options=Options(sample=600), **options)


@pytest.fixture(scope="module")
def report(rows: pd.DataFrame) -> DataReport:
    return report_of(rows)


def one(report: DataReport, metric: str, group: str | None = None, column: str | None = None) -> Measure:
    found = [m for m in report.of(metric) if (m.group, m.column) == (group, column)]
    assert len(found) == 1, [(m.group, m.column) for m in report.of(metric)]
    return found[0]


def test_the_strongest_proxy_is_named_with_its_interval(report: DataReport) -> None:
    proxies = report.proxies("sex")
    assert [proxy.column for proxy in proxies] == ["title", "income", "town"]
    first = proxies[0]
    assert first.metric == "cramers_v"
    assert first.value is not None
    assert first.low is not None
    assert first.high is not None
    assert 0.7 < first.low < first.value < first.high <= 1
    town = proxies[2]
    assert town.low == 0.0


@pytest.mark.parametrize("kind", ["csv", "parquet", "float"])
def test_groups_that_are_numbers_are_named_as_they_are_written(
    kind: str, rows: pd.DataFrame, tmp_path: Path
) -> None:
    coded = rows.assign(sex=(rows["sex"] == "F").astype(float if kind == "float" else int))
    path = tmp_path / ("rows.csv" if kind == "csv" else "rows.parquet")
    coded.to_csv(path, index=False) if kind == "csv" else coded.to_parquet(path)
    spec = of_table({"source": str(path), "columns": {}, "attributes": {"sex": {"reference": "1"}}})
    with open_dataset(spec) as dataset:
        found = examine(dataset, population={"sex": {"1": 0.5, "0": 0.5}}, options=Options(sample=200))
    assert (found.attributes[0].groups, found.attributes[0].reference) == (("0", "1"), "1")
    assert all(one.value is not None for one in found.of("representation_gap"))


def test_of_features_that_tell_nothing_none_is_called_a_proxy(
    rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = rows[["town", "income"]].assign(sex=np.random.default_rng(1).permutation(rows["sex"]))
    quiet.to_csv(tmp_path / "quiet.csv", index=False)
    assert main(["data", str(tmp_path / "quiet.csv"), "--attribute", "sex", "--sample", "300"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no feature is shown to tell sex; the first, " in said
    assert "strongest" not in said


def test_a_column_that_restates_the_attribute_is_told_apart(report: DataReport) -> None:
    assert report.attributes[0].restated_by == ("code",)
    assert one(report, "cramers_v", None, "code").value == pytest.approx(1.0, abs=0.01)


def test_all_features_together_tell_the_attribute(rows: pd.DataFrame, report: DataReport) -> None:
    found = one(report, "proxy_auc", "F")
    assert found.value is not None
    assert 0.9 < found.value < 1.0, "title tells most, and code, which tells all, is left out"
    assert (report.sampled, found.against) == (600, "rest")
    again = one(report_of(rows), "proxy_auc", "F")
    assert again == found
    shuffled = rows.assign(sex=np.random.default_rng(1).permutation(rows["sex"]), code="z")
    quiet = one(report_of(shuffled), "proxy_auc", "F")
    assert quiet.low is not None
    assert quiet.low < 0.5


def test_shares_labels_and_gaps_are_plain_counts(rows: pd.DataFrame, report: DataReport) -> None:
    women, men = rows[rows["sex"] == "F"], rows[rows["sex"] == "M"]
    assert report.attributes[0].rows == (len(women), len(men))
    gap = one(report, "label_rate_gap", "F", "repaid")
    assert gap.value == pytest.approx((women["repaid"] == "yes").mean() - (men["repaid"] == "yes").mean())
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high < 0
    imbalance = one(report, "class_imbalance", "F")
    assert imbalance.value == pytest.approx((len(men) - len(women)) / ROWS)
    missing = one(report, "missingness_gap", "F", "income")
    assert missing.value == pytest.approx(women["income"].isna().mean() - men["income"].isna().mean())
    assert missing.low is not None
    assert missing.low > 0


def test_numbers_are_measured_as_scipy_does(rows: pd.DataFrame, report: DataReport) -> None:
    from scipy import stats

    known = rows.dropna(subset=["income"])
    women, men = (known.loc[known["sex"] == sex, "income"].to_numpy() for sex in "FM")
    f = stats.f_oneway(women, men).statistic
    eta = np.sqrt(f / (f + len(known) - 2))
    assert one(report, "correlation_ratio", None, "income").value == pytest.approx(eta, abs=1e-6)
    assert one(report, "ks", "F", "income").value == pytest.approx(stats.ks_2samp(women, men).statistic)
    distance = stats.wasserstein_distance(women, men)
    assert one(report, "wasserstein", "F", "income").value == pytest.approx(distance)


def test_columns_that_are_no_features_are_left_out_with_a_reason(report: DataReport) -> None:
    why = {column.name: column.why for column in report.columns if column.kind == "left out"}
    assert set(why) == {"person_id", "constant", "note"}
    assert why["constant"] == "it holds one value"
    assert "identifier" in (why["note"] or "")
    assert {left.what for left in report.not_measured} >= {"Column note", "Representation gap"}


def test_every_value_is_defined_or_says_why(report: DataReport) -> None:
    for measure in report.measures:
        assert (measure.value is None) == (measure.why is not None), measure
        if measure.value is not None and measure.low is not None and measure.high is not None:
            assert measure.low - 1e-9 <= measure.value <= measure.high + 1e-9, measure


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "parquet", "jsonl", "arrow"])
def test_every_format_gives_the_same_figures(
    kind: str, rows: pd.DataFrame, report: DataReport, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind.startswith("csv"):
        rows.to_csv(path, index=False)
    elif kind == "tsv":
        rows.to_csv(path, index=False, sep="\t")
    elif kind == "parquet":
        rows.to_parquet(path)
    elif kind == "arrow":
        rows.to_feather(path)
    else:
        rows.to_json(path, orient="records", lines=True)
    found = report_of(path)
    assert found.measures == report.measures
    assert found.rows == ROWS


def test_counted_people_weigh_as_many_rows(rows: pd.DataFrame) -> None:
    few = rows[["sex", "title", "repaid"]]
    counted = few.value_counts().rename("people").reset_index()
    whole = report_of(few)
    spec = of_table(
        {
            "columns": {"label": "repaid", "count": "people"},
            "attributes": {"sex": {}},
            "positive": "yes",
        }
    )
    with open_dataset(spec, frame=counted) as dataset:
        found = examine(dataset)
    assert found.rows == ROWS
    without = [m for m in found.measures if m.metric != "proxy_auc"]
    assert without == [m for m in whole.measures if m.metric != "proxy_auc"]
    assert one(found, "proxy_auc").why == "rows stand for counted people, and are not drawn singly"


def test_representation_is_held_against_the_population(rows: pd.DataFrame) -> None:
    found = report_of(rows, population={"sex": {"F": 0.5, "M": 0.45, "X": 0.05}})
    gap = one(found, "representation_gap", "X")
    assert (gap.value, gap.n) == (-0.05, 0.0)
    assert gap.low == -0.05
    assert gap.high is not None
    assert gap.high < -0.04
    share = (rows["sex"] == "F").mean()
    assert one(found, "representation_gap", "F").value == pytest.approx(share - 0.5)
    unnamed = report_of(rows, population={"sex": {"F": 1.0}})
    assert one(unnamed, "representation_gap", "M").why == "the population shares do not name it"


def test_missing_groups_are_counted_and_take_no_part_in_associations(rows: pd.DataFrame) -> None:
    gaps = rows.assign(sex=rows["sex"].where(rows.index % 10 > 0, None))
    found = report_of(gaps)
    assert found.attributes[0].groups == ("F", "M", "(missing)")
    assert sum(found.attributes[0].rows) == ROWS
    assert one(found, "cramers_v", None, "title").n == ROWS * 0.9
    assert one(found, "label_rate_gap", "(missing)", "repaid").against == "M"


def test_test_rows_in_the_training_set_are_counted(rows: pd.DataFrame) -> None:
    spec = of_table({"columns": {"label": "repaid"}, "attributes": {"sex": {}}})
    other = rows.tail(100).assign(note=[f"new {at}" for at in range(100)])
    flipped = rows.head(30).assign(repaid=lambda t: np.where(t["repaid"] == "yes", "no", "yes"))
    test = pd.concat([rows.head(50), flipped, other], ignore_index=True)[list(reversed(rows.columns))]
    with open_dataset(spec, frame=rows) as train, open_dataset(spec, frame=test) as held:
        found = overlap(train, held)
    assert (found.rows, found.same, found.same_features) == (180, 50, 80)


def test_the_table_is_not_large_enough_to_guess(rows: pd.DataFrame) -> None:
    few = rows.head(40)
    found = report_of(few)
    auc = list(found.of("proxy_auc"))
    assert [measure.value for measure in auc] == [None]
    assert "30 sampled rows" in (auc[0].why or "")
    alone = report_of(rows[rows["sex"] == "F"])
    assert one(alone, "cramers_v", None, "title").why == "fewer than two groups have 30 rows"


def test_a_label_of_three_values_has_distances_and_says_what_is_missing(rows: pd.DataFrame) -> None:
    spec = of_table({"columns": {"label": "town"}, "attributes": {"sex": {}}})
    with open_dataset(spec, frame=rows) as dataset:
        found = examine(dataset)
    assert found.of("label_rate_gap") == ()
    assert one(found, "total_variation", "F", "town").value is not None
    assert any("none is named positive" in left.why for left in found.not_measured)


def test_bad_input_is_an_error_that_says_what_to_do(rows: pd.DataFrame) -> None:
    def opened(attributes: Any, **columns: str) -> DataReport:
        spec = of_table({"columns": columns, "attributes": attributes, "positive": "yes"})
        with open_dataset(spec, frame=rows) as dataset:
            return examine(dataset)

    with pytest.raises(UsageError, match="Did you mean sex"):
        opened({"sexx": {}})
    with pytest.raises(UsageError, match="so they are no groups"):
        opened({"note": {}})
    with pytest.raises(UsageError, match=r"no group 'G', its reference"):
        opened({"sex": {"reference": "G"}})
    with pytest.raises(UsageError, match="no row has the label 'yes'"):
        opened({"sex": {}}, label="town")
    with pytest.raises(DataError, match="no row is left"):
        report_of(rows.head(0))


def test_the_command_says_it_first_and_writes_it_whole(
    rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.to_csv(tmp_path / "train.csv", index=False)
    rows.head(90).to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "shares.csv").write_text("attribute,group,share\nsex,F,0.5\nsex,M,0.5\n")
    given = ["data", str(tmp_path / "train.csv"), "--attribute", "sex", "--label", "repaid"]
    given += ["--positive", "yes", "--sample", "500", "--test", str(tmp_path / "test.csv")]
    given += ["--population", str(tmp_path / "shares.csv"), "--out", str(tmp_path / "data.json")]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "title is the strongest proxy for sex: Cramér's V 0." in said
    assert "code gives sex itself" in said
    assert "F: share of the rows less that of the population: -0." in said
    assert "Test rows that stand in the training set, all columns: 1.000" in said
    written = codec.loads(DataReport, (tmp_path / "data.json").read_bytes(), where="data.json")
    assert written.of("test_overlap")[0].value == 1.0
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attributes"][0]["restated_by"] == ["code"]


def test_the_command_guesses_and_says_so(
    rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.to_csv(tmp_path / "train.csv", index=False)
    assert main(["data", str(tmp_path / "train.csv"), "--sample", "300"]) == 0
    said = capsys.readouterr().out
    assert "guessed from the names: attributes sex; label: repaid" in " ".join(said.split())
    assert main(["data"]) == 2
    assert main(["data", str(tmp_path / "none.csv"), "--attribute", "sex"]) == 2
    (tmp_path / "empty.csv").write_text("")
    assert main(["data", str(tmp_path / "empty.csv"), "--attribute", "sex"]) == 4
    assert main(["data", str(tmp_path / "train.csv"), "--attribute", "gender"]) == 2


def test_the_command_reads_a_spec(
    rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "audit.yaml").write_text(
        "system: {name: credit}\n"
        "data:\n"
        "  source: train.csv\n"
        "  columns: {label: repaid}\n"
        "  positive: yes\n"
        "  filter: town <> 'c'\n"
        "  population: {sex: {F: 0.5, M: 0.5}}\n"
        "  attributes: {sex: {reference: M, map: {F: Female}}}\n"
    )
    assert main(["data", "--spec", str(tmp_path / "audit.yaml"), "--sample", "300", "--json"]) in (0, 2)
    said = capsys.readouterr()
    document = json.loads(said.out)
    kept = int((rows["town"] != "c").sum())
    assert (document["rows_read"], document["rows"]) == (ROWS, kept)
    assert document["excluded"][0]["reason"] == "left out by data.filter"
    assert document["attributes"][0]["groups"] == ["Female", "M"]


HOSTILE = ["<script>alert(1)</script>", '=cmd|"/C calc"!A0', "a\nb\t'\"", "\N{PILE OF POO}"]


def test_hostile_values_are_groups_like_any_other(rows: pd.DataFrame) -> None:
    names = np.array(HOSTILE, dtype=object)
    found = report_of(rows.assign(sex=names[rows.index % 4], code="z"))
    assert set(found.attributes[0].groups) == set(HOSTILE)
    assert codec.loads(DataReport, codec.dumps(found), where="x") == found

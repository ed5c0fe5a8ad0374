"""`slices`, `diagnose` and `augment-check` from the command line: what they say, and their exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from audit import codec
from audit.analysis import tables
from audit.analysis.slice_report import SliceReport
from audit.analysis.why import Why
from audit.cli.main import main
from audit.engine.source import Source
from audit.spec import AuditSpec, load

SPEC = """\
system: {name: credit, version: "1"}
data:
  source: rows.csv
  columns: {label: y, score: score, id: person}
  threshold: 0.5
  positive: 1
  filter: age < 200
  attributes:
    sex: {as: sex}
policy:
  rules:
    - {metric: selection_rate, comparison: ratio, at_least: 0.8}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with rows of three splits; women over 50 are often judged wrongly."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    n = 3000
    age, sex = rng.integers(18, 90, n), rng.choice(["Female", "Male"], n)
    x = rng.normal(size=n)
    y = (x + 0.3 * rng.normal(size=n) > 0).astype(int)
    hard = (sex == "Female") & (age > 50)
    score = np.where(hard & (rng.random(n) < 0.4), 1 - y, y) * 0.8 + 0.1
    frame = pd.DataFrame({"person": np.arange(n), "age": age, "sex": sex, "x": x, "y": y, "score": score})
    frame["p"] = (frame["score"] >= 0.5).astype(int)
    frame["split"] = rng.choice(["train", "validation", "test"], n)
    frame.to_csv("rows.csv", index=False)
    Path("audit.yaml").write_text(SPEC)
    (tmp_path / "training.py").write_text(
        "from sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression()\nnothing = 3\n"
    )
    return tmp_path


def test_a_connection_that_was_opened_is_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect("rows.duckdb") as made:
        made.execute("CREATE TABLE rows AS SELECT * FROM 'rows.csv'")
    spec = load_spec_from(SPEC.replace("source: rows.csv", "source: rows.duckdb\n  table: rows"))
    closed = []
    real = tables.open_source

    def noted(*words: object) -> Source:
        return replace(real(*words), close=lambda: closed.append(1))  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "open_source", noted)
    with tables.spec_table(spec) as table:
        assert table.count().to_pyarrow().as_py() == 3000
        assert closed == []
    assert closed == [1]


def load_spec_from(text: str) -> AuditSpec:
    Path("database.yaml").write_text(text)
    return load("database.yaml")


def test_slices_of_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["slices", "rows.csv", "--label", "y", "--prediction", "p", "--id", "person", "--feature", "age"]
    assert (
        main([*given, "--feature", "sex", "--examples", "1", "--out", "slices.json", "--all", "all.csv"]) == 0
    )
    listing = pd.read_csv("all.csv")
    assert {"sex = Female", "sex = Male"} <= set(listing["slice"])
    assert (
        listing.set_index("slice").loc["sex = Male", "rows"]
        == (pd.read_csv("rows.csv")["sex"] == "Male").sum()
    )
    said = capsys.readouterr().out
    assert "sex = Female" in said
    assert "confirmed:" in said
    report = codec.loads(SliceReport, Path("slices.json").read_bytes(), where="slices.json")
    assert report.person == "person"
    assert "sex = Female" in report.slices[0].name


def test_slices_by_permutation_search_and_test_everyone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["slices", "rows.csv", "--label", "y", "--prediction", "p", "--id", "person", "--test", "max-t"]
    assert main([*given, "--feature", "age", "--feature", "sex", "--out", "all.json"]) == 0
    said = capsys.readouterr().out
    assert "searched and tested by permutation" in said
    assert "chosen by looking" in " ".join(said.split())
    report = codec.loads(SliceReport, Path("all.json").read_bytes(), where="all.json")
    assert (report.test, report.slices[0].confirmed) == ("max-t", True)
    assert main([*given, "--test", "bootstrap"]) == 2


def test_slices_of_a_policy_file_take_its_roles(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slices", "audit.yaml", "--feature", "age", "--feature", "sex", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["person"] == "person"
    assert report["discovery_rows"] + report["confirmation_rows"] == 3000
    assert report["slices"][0]["confirmed"] is True
    assert main(["slices", "audit.yaml", "--metric", "false_negative_rate", "--feature", "sex"]) == 0


def test_diagnose_names_the_part(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["diagnose", "rows.csv", "--label", "y", "--prediction", "p", "--split", "split"]
    assert main([*given, "--group", "sex", "--target", "0.0", "--target", "Male=0.01"]) == 0
    said = capsys.readouterr().out
    assert "Female: high bias" in said
    assert "Male: nothing high" in said


def test_diagnose_with_a_model_refits_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "diagnose",
        "rows.csv",
        "--label",
        "y",
        "--prediction",
        "p",
        "--split",
        "split",
        "--group",
        "sex",
    ]
    given += ["--target", "0.1", "--model", "training:model", "--feature", "x", "--bound", "0.05"]
    assert main([*given, "--repeats", "2", "--resume", "fits.jsonl", "--out", "why.json"]) == 0
    said = capsys.readouterr().out
    assert "Where the difference between groups comes from" in said
    assert "Female against everyone" in said
    found = codec.loads(Why, Path("why.json").read_bytes(), where="why.json")
    assert len(found.needs) == 2
    assert len(Path("fits.jsonl").read_text().split("\n\n")) == 20


def test_augment_check(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv("rows.csv")[["x", "sex"]]
    rng = np.random.default_rng(1)
    frame[:1000].to_csv("train.csv", index=False)
    frame[1000:2000].assign(x=frame["x"] + rng.uniform(2, 5, len(frame))).to_csv("added.csv", index=False)
    frame[2000:].to_csv("test.csv", index=False)
    given = ["augment-check", "train.csv", "added.csv", "test.csv", "--feature", "x"]
    assert main([*given, "--out", "check.json"]) == 0
    assert "everyone: noise that is not there" in capsys.readouterr().out
    assert json.loads(Path("check.json").read_text())["confidence"] == 0.95
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["group"] == "everyone"


DIAGNOSE = ["diagnose", "rows.csv", "--label", "y", "--prediction", "p", "--split", "split"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["slices", "nowhere.csv"], 2, "no such file"),
        (["slices", "rows.csv"], 2, "error_rate needs label"),
        (["slices", "rows.csv", "--label", "y", "--prediction", "q"], 2, "no column is called 'q'"),
        (["slices", "rows.csv", "--label", "y", "--prediction", "p", "--id", "x"], 4, "decimal"),
        (["slices", "rows.csv", "--label", "y", "--prediction", "p", "--min-support", "2"], 2, "support"),
        (["slices", "rows.csv", "--metric", "shares"], 2, "shares"),
        (["slices", "rows.csv", "--label", "y", "--prediction", "p", "--out", "no/where"], 4, "cannot be"),
        ([*DIAGNOSE, "--target", "five"], 2, "not an error rate"),
        ([*DIAGNOSE, "--target", "5"], 2, "no target error"),
        ([*DIAGNOSE, "--target", "0.1", "--group", "q"], 2, "no column is called 'q'"),
        ([*DIAGNOSE, "--target", "0.1", "--model", "training:model"], 2, "--model needs --group"),
        ([*DIAGNOSE[:-1], "sex", "--target", "0.1"], 4, "a split is called 'Female'"),
        (["augment-check", "rows.csv", "rows.csv", "nowhere.csv"], 2, "no such file"),
        (["augment-check", *["rows.csv"] * 3, "--feature", "q"], 2, "not in all three"),
    ],
    ids=lambda value: " ".join(value[-3:]) if isinstance(value, list) else None,
)
def test_bad_input_ends_in_clear_words(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(words) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("training", "not MODULE:NAME"),
        ("training:gone", "gone"),
        ("nowhere:model", "nowhere"),
        ("training:nothing", "no fit and predict"),
    ],
)
def test_a_model_that_is_none_ends_in_clear_words(
    place: Path, capsys: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    extra = ["--target", "0.1", "--group", "sex", "--bound", "0.1", "--feature", "x", "--model", model]
    assert main([*DIAGNOSE, *extra]) == 2
    assert said in capsys.readouterr().err


def test_words_of_a_text_file_stay_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader that guesses truth values makes F and No one value, called `false`."""
    rng = np.random.default_rng(1)
    label = rng.choice(["Yes", "No"], 600)
    wrong = rng.random(600) < 0.2
    frame = pd.DataFrame(
        {"sex": "F", "y": label, "p": np.where(wrong, "No", label), "x": rng.normal(size=600)}
    )
    frame.assign(flag=rng.choice(["True", "False"], 600), far="inf").to_csv(
        tmp_path / "rows.csv", index=False
    )
    read = tables.as_table(tmp_path / "rows.csv")
    assert read["flag"].type().is_boolean()
    assert read["far"].type().is_floating()
    assert set(read["y"].to_pyarrow().to_pylist()) == {"Yes", "No"}
    words = ["slices", str(tmp_path / "rows.csv"), "--label", "y", "--prediction", "p"]
    assert main([*words, "--metric", "false_negative_rate", "--positive", "Yes"]) == 0
    assert main([*words, "--metric", "false_negative_rate", "--positive", "1"]) == 4
    assert "it holds 'No', 'Yes'" in capsys.readouterr().err
    people = ["individuals", str(tmp_path / "rows.csv"), "--attribute", "sex", "--prediction", "p"]
    assert main([*people, "--feature", "x"]) == 0
    assert "consistency of F: " in capsys.readouterr().out


@pytest.mark.parametrize("words", [["init"], ["slices", "--label", "y", "--prediction", "p"]])
def test_a_folder_is_called_one(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([words[0], str(tmp_path), *words[1:]]) == 2
    said = capsys.readouterr().err
    assert "a folder, where a file is needed" in said
    assert "Hint: Name a file in it." in said


def test_many_groups_are_listed_by_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"g": [f"g{i // 2}" for i in range(400)] + ["large"] * 50, "p": [0, 1] * 225})
    frame.assign(x=np.arange(450.0)).to_csv(tmp_path / "rows.csv", index=False)
    assert main(["individuals", str(tmp_path / "rows.csv"), "--attribute", "g", "--prediction", "p"]) == 0
    said = capsys.readouterr().out
    assert " over 450 rows" in said
    assert "consistency of large: " in said
    assert said.count("consistency") == 30
    assert "And 172 more, of smaller groups; --json has all." in said


@pytest.mark.parametrize(
    "words",
    [
        ["diagnose", "rows.csv", "--label", "y", "--prediction", "p", "--split", "s", "--target", "0.1"],
        ["slices", "rows.csv", "--label", "y", "--prediction", "p"],
        ["individuals", "rows.csv", "--attribute", "g", "--prediction", "p"],
        ["augment-check", "rows.csv", "rows.csv", "rows.csv"],
    ],
    ids=lambda words: words[0],
)
def test_a_header_alone_is_no_data(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("y,p,s,g\n")
    assert main(words) == 4
    assert "rows.csv: has no rows\n  Hint: " in capsys.readouterr().err


def test_a_row_without_a_decision_is_left_out_and_counted(tmp_path, capsys):
    (tmp_path / "rows.csv").write_text(
        "g,x,p\n" + "".join(f"{'ab'[i % 2]},{i},{('', 'yes', 'no')[i % 3]}\n" for i in range(90))
    )
    command = ["individuals", str(tmp_path / "rows.csv"), "--attribute", "g", "--prediction", "p"]
    assert main(command) == 0
    assert "60 of 90 rows; 30 of the rows drawn have no prediction" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["measured_on"], found["without_prediction"]) == (90, 60, 30)
    assert found["measures"][0]["n"] == 60

"""Individuals: neighbours by brute force, never the row itself; flips of a model that reads the attribute."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from audit.analysis.individuals import consistency, measure_consistency, measure_flips
from audit.analysis.models import load_model
from audit.cli.main import main
from audit.errors import DataError, UsageError
from tests.needs import needs_extra


def test_consistency_is_brute_forces() -> None:
    random = np.random.default_rng(1)
    X, y = random.normal(size=(80, 3)), (random.random(80) < 0.4).astype(float)
    expected = []
    for at in range(80):
        others = [j for j in np.argsort(((X - X[at]) ** 2).sum(axis=1)) if j != at][:5]
        expected.append(1 - abs(y[at] - y[others].mean()))
    np.testing.assert_allclose(consistency(X, y), expected, atol=1e-12)


def test_a_row_is_no_neighbour_of_itself_where_aif360_counts_it() -> None:
    needs_extra("aif360")
    from aif360.sklearn.metrics import consistency_score

    X, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([1.0, 0.0, 1.0, 0.0])
    assert consistency(X, y, neighbours=1).mean() == 0.0
    assert consistency_score(X, y, n_neighbors=2) == pytest.approx(0.5)
    equal = np.zeros((8, 2))
    labels = np.array([1.0] + [0.0] * 7)
    found = consistency(equal, labels, neighbours=7)
    assert found[0] == pytest.approx(0.0)
    assert found[1] == pytest.approx(1 - 1 / 7)


def test_too_few_rows_are_an_error() -> None:
    with pytest.raises(DataError, match="5 rows, where 5 neighbours"):
        consistency(np.zeros((5, 1)), np.zeros(5))


@pytest.fixture
def people(tmp_path: Path) -> pd.DataFrame:
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"sex": random.choice(["F", "M"], 400), "income": random.normal(size=400)})
    y = frame["income"] + 0.8 * (frame["sex"] == "M") > 0.4
    whole = make_pipeline(
        make_column_transformer((OneHotEncoder(sparse_output=False), ["sex"]), remainder="passthrough"),
        LogisticRegression(C=100),
    ).fit(frame, y.astype(int))
    skops.io.dump(whole, tmp_path / "reads.skops")
    skops.io.dump(LogisticRegression().fit(frame[["income"]], y.astype(int)), tmp_path / "blind.skops")
    frame.assign(approved=whole.predict(frame)).to_csv(tmp_path / "people.csv", index=False)
    return frame


def test_flips_are_counted_by_changing_the_column(people: pd.DataFrame, tmp_path: Path) -> None:
    model = load_model("reads.skops", base=tmp_path)
    found = {(one.group, one.against): one for one in measure_flips(people, model, "sex")}
    women = people[people["sex"] == "F"]
    expected = (model.decide(women) != model.decide(women.assign(sex="M"))).mean()
    assert expected > 0.05
    flip = found["F", "M"]
    assert flip.value == pytest.approx(expected)
    assert flip.low is not None
    assert flip.high is not None
    assert flip.low < expected < flip.high
    assert set(found) == {("F", "M"), ("M", "F")}


def test_flips_are_undefined_where_the_model_does_not_read_the_attribute(
    people: pd.DataFrame, tmp_path: Path
) -> None:
    blind = load_model("blind.skops", base=tmp_path)
    (found,) = measure_flips(people, blind, "sex")
    assert (found.value, found.why) == (None, "the model does not read sex")
    reads = load_model("reads.skops", base=tmp_path)
    (alone,) = measure_flips(people[people["sex"] == "F"], reads, "sex")
    assert alone.why == "there is no other value"


def test_consistency_by_group_averages_to_everyones(people: pd.DataFrame) -> None:
    found = measure_consistency(people, (people["income"] > 0).to_numpy(), "sex", features=("income",))
    everyone, *groups = found
    assert everyone.value == pytest.approx(sum((one.value or 0) * one.n for one in groups) / everyone.n)
    assert everyone.low is None
    with pytest.raises(DataError, match="3 different decisions"):
        measure_consistency(people, np.arange(400) % 3, "sex", features=None)
    with pytest.raises(UsageError, match="Did you mean income"):
        measure_consistency(people, np.zeros(400), "sex", features=("incme",))


def test_the_command_says_both(
    people: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["individuals", "people.csv", "--attribute", "sex"]
    assert main([*given, "--model", "reads.skops"]) == 0
    said = capsys.readouterr().out
    assert "decided otherwise, F as M: 0." in said
    assert "consistency of F: 0." in said
    assert main([*given, "--prediction", "approved", "--sample", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measured_on"] == 100
    assert main(given) == 2
    assert main([*given, "--prediction", "aproved"]) == 2
    assert main(["individuals", "none.csv", "--attribute", "sex", "--prediction", "p"]) == 2

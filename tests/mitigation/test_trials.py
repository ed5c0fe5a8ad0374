"""Trials: the remedy that mends is advised, the one that does nothing is not, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from audit import codec
from audit.cli.main import main
from audit.errors import DataError, UsageError
from audit.mitigation import attempts as attempts_module
from audit.mitigation.attempts import OUT_OF_TIME, Attempt, attempts
from audit.mitigation.catalogue import METHODS, Method, method
from audit.mitigation.trial_report import Trials
from audit.mitigation.trials import run_trials
from tests.mitigation import small

NAMES = ("retrain", "drop-proxies", "one-threshold")


def tried(*names: str) -> tuple[Method, ...]:
    return tuple(METHODS[name] for name in names)


@pytest.fixture(scope="module")
def found() -> Trials:
    problem = small.problem(small.people(3000), training=small.people(2500, 1, marked=True))
    return run_trials(problem, tried(*NAMES), limit=0.12, positives_limit=0.2)


def test_the_strongest_evidence_is_the_target(found: Trials) -> None:
    assert (found.target.rule, found.target.group, found.target.reference) == ("opportunity", "b", "a")
    assert found.target.verdict == "violation"


def test_the_remedy_that_mends_is_advised_and_credited_against_training_again(found: Trials) -> None:
    mended, again = found.trial("drop-proxies"), found.trial("retrain")
    assert mended is not None
    assert again is not None
    assert found.best == "drop-proxies"
    assert mended.advised
    (credit,) = mended.credit
    assert credit.against == "retrain"
    assert credit.change.low is not None
    assert credit.change.low > 0
    assert again.credit == ()
    assert not again.advised


def test_the_effect_is_the_engines_own_gap(found: Trials) -> None:
    """The gap before is the audit's finding, to the last digit."""
    assert found.target.value is not None
    for one in found.trials:
        assert one.effect is not None
        assert one.effect.before == pytest.approx(found.target.value, abs=1e-12)


def test_every_single_group_and_comparison_is_watched(found: Trials) -> None:
    mended = found.trial("drop-proxies")
    assert mended is not None
    rates = {(side.grouping, side.group) for side in mended.sides if side.what == "rate"}
    assert rates == {(("race",), g) for g in "abc"} | {(("sex",), g) for g in "fm"}
    gaps = {(side.metric, side.group) for side in mended.sides if side.what == "gap"}
    assert ("positive_predictive_value", "b") in gaps
    assert ("true_positive_rate", "b") not in gaps


def test_nothing_is_lost_between_json_and_back(found: Trials) -> None:
    assert codec.loads(Trials, codec.dumps(found), where="x") == found


class Fails(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fails where a certain person is not among the training rows: on that person's fold."""

    def fit(self, X: Any, y: Any) -> Fails:
        if not (X["skill"] == 9.0).any():
            raise RuntimeError("singular\nmatrix")
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:
        return (X["skill"] > 0).astype(int).to_numpy()


def test_a_model_that_fails_on_a_fold_is_a_result() -> None:
    frame = small.people(400)
    frame.loc[7, "skill"] = 9.0
    found = run_trials(small.problem(frame, estimator=Fails()), tried("retrain"))
    (one,) = found.trials
    assert one.status == "incomplete"
    assert one.folds_done == 2
    assert "RuntimeError: singular" in str(one.why)
    assert one.effect is not None
    assert one.effect.value is not None
    assert not one.advised
    assert found.best is None


def test_a_model_that_always_fails_is_a_result() -> None:
    found = run_trials(small.problem(estimator=Fails()), tried("retrain", "one-threshold"))
    assert {one.status for one in found.trials} == {"failed"}
    assert all(one.effect is None for one in found.trials)


def test_a_group_that_is_missing_from_a_fold_is_said() -> None:
    frame = small.people(300)
    frame = frame[(frame.race != "b") | (frame.index < 8)]
    problem = small.problem(frame, training=small.people(300, 1).query("race != 'b'"), group="b")
    assert any("have nobody of b" in note for note in problem.notes)
    found = run_trials(problem, tried("retrain", "resample", "threshold-optimizer"))
    by_name = {one.name: one for one in found.trials}
    assert by_name["retrain"].status == "measured"
    assert "no training rows" in str(by_name["resample"].why)
    assert "nobody of b" in str(by_name["threshold-optimizer"].why)


def test_one_group_alone_has_no_gap() -> None:
    frame = small.people(200).query("race == 'a' and sex == 'f'")
    with pytest.raises(DataError, match="one group"):
        small.problem(frame)


def test_a_column_of_names_is_no_feature() -> None:
    frame = small.people(1200).assign(note=[f"note {at}" for at in range(1200)])
    problem = small.problem(frame, features=(), estimator=None)
    assert [str(name) for name in problem.X] == list(small.FEATURES)
    assert [left.what for left in problem.left_out] == ["feature note"]
    assert "1,200 distinct values" in problem.left_out[0].why


def test_folds_go_by_person_in_both_tables() -> None:
    frame = small.people(300)
    problem = small.problem(frame, training=frame.sample(frac=1.0, random_state=0))
    fold = dict(zip(problem.rows.frame["person"], problem.fold, strict=True))
    there = dict(zip(frame.sample(frac=1.0, random_state=0)["person"], problem.training.fold, strict=True))
    assert fold == there


def test_a_budget_of_nothing_does_nothing_and_says_so(tmp_path: Path) -> None:
    problem = small.problem()
    store = tmp_path / "fits"
    found = run_trials(problem, tried("retrain"), budget=0.0, store=store)
    assert [one.status for one in found.trials] == ["not tried"]
    assert found.trials[0].why == OUT_OF_TIME
    run_trials(problem, tried("retrain"), store=store)
    again = run_trials(problem, tried("retrain", "one-threshold"), budget=0.0, store=store)
    assert [one.status for one in again.trials] == ["measured", "not tried"]


def test_an_interrupted_trial_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, store = small.problem(), tmp_path / "fits"
    real, done = attempts_module.attempt, []

    def interrupted(*words: Any) -> Attempt:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(words[1].name)
        return real(*words)

    monkeypatch.setattr(attempts_module, "attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempts(problem, tried(*NAMES), store=store)
    kept = len([line for line in store.read_text().splitlines() if line])
    assert kept >= 3
    done.clear()
    done.extend([""] * -100)
    monkeypatch.setattr(attempts_module, "attempt", real)
    with store.open("a") as stream:
        stream.write('{"key": "torn')
    resumed = attempts(problem, tried(*NAMES), store=store)
    plain = attempts(problem, tried(*NAMES))
    assert {step: one.decisions for step, one in resumed.items()} == {
        step: one.decisions for step, one in plain.items()
    }


def test_other_rows_never_meet_kept_fits(tmp_path: Path) -> None:
    store = tmp_path / "fits"
    attempts(small.problem(), tried("retrain"), store=store)
    other = attempts(small.problem(small.people(900, 5)), tried("retrain"), store=store, budget=0.0)
    assert other == {}


def test_an_unknown_remedy_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no remedy") as seen:
        method("drop-proxy")
    assert "drop-proxies" in str(seen.value.hint)


def command(folder: Path, *words: str) -> int:
    return main(["mitigate", str(folder / "audit.yaml"), *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small.project(tmp_path, small.people(600))
    small.people(600, 1, marked=True).to_csv(tmp_path / "history.csv", index=False)
    return tmp_path


def test_the_command_tries_and_writes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "trials.json"
    words = (
        "--train",
        str(folder / "history.csv"),
        "--candidate",
        "drop-proxies",
        "--folds",
        "2",
        "--positives-limit",
        "0.4",
        "--limit",
        "0.3",
    )
    assert command(folder, *words, "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "against retrain alone" in said
    assert {one["name"] for one in json.loads(out.read_text())["trials"]} == {"retrain", "drop-proxies"}
    assert all(len(line) <= 80 for line in said.splitlines() if not line.startswith("Trials:"))


def test_the_command_applies_a_remedy_to_other_rows(folder: Path) -> None:
    small.people(200, 7).to_csv(folder / "next.csv", index=False)
    words = ("--train", str(folder / "history.csv"), "--rows", str(folder / "next.csv"))
    out = folder / "decided.csv"
    assert command(folder, *words, "--apply", "drop-proxies", "--out", str(out)) == 0
    import pandas as pd

    before, after = pd.read_csv(folder / "next.csv"), pd.read_csv(out)
    assert list(before.columns) == list(after.columns)
    assert before.drop(columns="said").equals(after.drop(columns="said"))
    assert set(after["said"]) == {0, 1}
    assert not after["said"].equals(before["said"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rule", "oportunity"), "Did you mean opportunity?"),
        (("--group", "z"), "There are:"),
        (("--feature", "skil"), "Did you mean skill?"),
        (("--candidate", "x"), "no remedy"),
        (("--budget", "-1"), "not negative"),
        (("--folds", "1"), "two folds"),
        (("--threshold", "1.5"), "between 0 and 1"),
        (("--model", "nowhere:model"), "No module named"),
        (("--apply", "retrain"), "--rows and --out"),
        (("--limit", "2"), "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_said(
    folder: Path, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(folder, *words) == 2
    assert says in capsys.readouterr().err

"""Each remedy fitted once on few rows, and what it promises of itself held to it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from audit.mitigation import with_fairlearn
from audit.mitigation.attempts import attempt
from audit.mitigation.base import CannotTryError, Setting, at_even_cost, default_estimator, quiet
from audit.mitigation.catalogue import METHODS, usual
from audit.mitigation.own import DropProxies, FineTune, proxies
from audit.mitigation.problem import Problem
from tests.mitigation import small

RUNS = [name for name in METHODS if name != "impact-remover"]
UNAWARE = [name for name in usual("true-positive-rate") if METHODS[name].legal_note is None]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return small.problem(small.people(200), training=small.people(200, 1, marked=True), folds=2)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_fairlearn, "ROUNDS", {"gradient": 3, "grid": 4, "prototypes": 2})


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(small.model(), 0.5, "true_positive_rate", "b", "a")


@pytest.mark.parametrize("name", RUNS)
def test_each_remedy_decides_on_rows_that_it_has_not_seen(problem: Problem, name: str) -> None:
    found = attempt(problem, METHODS[name], 0)
    assert found.why is None
    assert set(found.unpacked()) <= {0, 1}
    assert found.rows == int((problem.fold == 0).sum())


def test_what_is_not_installed_is_a_result(problem: Problem) -> None:
    if importlib.util.find_spec("BlackBoxAuditing") is not None:
        pytest.skip("BlackBoxAuditing is installed")
    assert "not installed" in str(attempt(problem, METHODS["impact-remover"], 0).why)


@pytest.mark.parametrize("name", [name for name in UNAWARE if not name.startswith("gradient")])
def test_without_a_legal_note_the_group_is_not_read(problem: Problem, name: str) -> None:
    """Decisions are the same whatever group is claimed."""
    method, X, y, A = METHODS[name], problem.training.X, problem.training.y, problem.training.A
    with quiet():
        remedy = method.make(problem.setting).fit(X, y, A.astype(object))
        true, claimed = (remedy.predict(X, groups) for groups in (A, np.full(len(A), "a", dtype=object)))
    assert np.array_equal(true, claimed)


def test_the_proxy_is_found_and_left_out(setting: Setting) -> None:
    rows = small.people(800, 1, marked=True)
    X, A = rows[["skill", "area"]], rows["race"].to_numpy(dtype=object)
    assert proxies(setting, X, A)[0][0] == "area"
    remedy = DropProxies(setting).fit(X, rows["good"].to_numpy(), A)
    assert remedy.chosen == ("area",)
    moved = remedy.predict(X.assign(area=99.0), A)
    assert np.array_equal(moved, remedy.predict(X, A))


def test_where_nothing_stands_for_the_group_there_is_nothing_to_leave_out(setting: Setting) -> None:
    rows = small.people(400)
    with pytest.raises(CannotTryError, match="no feature stands for the group"):
        DropProxies(setting).fit(
            rows[["skill"]], rows["good"].to_numpy(), rows["race"].to_numpy(dtype=object)
        )


@pytest.mark.parametrize(("rows", "chosen"), [(100, "output parameters"), (4000, "all parameters")])
def test_how_much_is_tuned_goes_by_the_rows(rows: int, chosen: str) -> None:
    network = MLPClassifier(hidden_layer_sizes=(8,), max_iter=20, random_state=0)
    setting = Setting(network, 0.5, "true_positive_rate", "b", "a")
    frame = small.people(rows)
    A = frame["race"].to_numpy(dtype=object)
    with quiet():
        tuned = FineTune(setting).fit(frame[["skill", "area"]], frame["good"].to_numpy(), A)
    assert tuned.chosen == chosen


def test_a_tree_has_nothing_to_go_on_from() -> None:
    frame = small.people(200)
    setting = Setting(DecisionTreeClassifier(), 0.5, "true_positive_rate", "b", "a")
    with pytest.raises(CannotTryError, match="no weights"):
        FineTune(setting).fit(
            frame[["skill"]], frame["good"].to_numpy(), frame["race"].to_numpy(dtype=object)
        )


def test_rows_are_kept_by_what_a_mistake_costs(setting: Setting) -> None:
    y = np.repeat([0, 1], 20_000)
    kept = at_even_cost(Setting(None, 0.75, "selection_rate", "b", "a"), y)
    assert (y[kept] == 0).sum() == 20_000
    assert (y[kept] == 1).sum() == pytest.approx(20_000 / 3, rel=0.03)
    assert len(at_even_cost(setting, y)) == len(y)


def test_the_default_model_takes_text_and_gaps() -> None:
    rows = small.people(200)
    X = rows[["skill", "kind"]].astype({"kind": object})
    X.loc[3, "skill"], X.loc[4, "kind"] = np.nan, None
    model = default_estimator(X).fit(X, rows["good"])
    assert len(model.predict(pd.concat([X, X.assign(kind="never seen")]))) == 400

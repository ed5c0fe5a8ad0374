"""Diagnoses of errors whose cause is known because they were made that way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from audit import codec
from audit.analysis.curves import Rows, rows_of
from audit.analysis.diagnostics import Diagnosis, count_errors, diagnose
from audit.analysis.disparity_split import DisparitySplit, split_disparity
from audit.errors import DataError, UsageError


def made(cause: str, rows: int, rng: np.random.Generator) -> Rows:
    """Two groups; in `plain` the sign of one feature is the label, in `hard` the cause makes it hard."""
    hard = rng.random(rows) < 0.4
    X = rng.normal(size=(rows, 6))
    y = X[:, 0] > 0
    if cause == "bias":
        # A checkerboard: no line through it does better than chance.
        y = np.where(hard, X[:, 0] * X[:, 1] > 0, y)
    if cause == "noise":
        y = np.where(hard & (rng.random(rows) < 0.3), ~y, y)
    if cause == "variance":
        # Both have the same noise, but only `hard` has numbers by which a tree can learn it by heart.
        y = np.where(rng.random(rows) < 0.15, ~y, y)
        X[~hard] = np.sign(X[~hard]) * (np.arange(6) == 0)
    return rows_of(np.column_stack([X, hard]), y.astype(int), np.where(hard, "hard", "plain"), where="made")


MODELS = {
    "bias": LogisticRegression(),
    "noise": LogisticRegression(),
    "variance": DecisionTreeClassifier(random_state=0),
}


@pytest.mark.parametrize("cause", MODELS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_disparity_is_laid_to_what_made_it(cause: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    train, test = made(cause, 1200, rng), made(cause, 1500, rng)
    found = split_disparity(MODELS[cause], train, test, refits=15, seed=seed)
    hard, plain = found.of("hard"), found.of("plain")
    assert hard.cause == cause, hard
    assert plain.cause is None
    assert hard.error == pytest.approx(sum(one.value or 0.0 for one in hard.parts))
    assert codec.loads(DisparitySplit, codec.dumps(found), where="x") == found


def test_given_noise_is_what_the_best_prediction_gets_wrong() -> None:
    rng = np.random.default_rng(3)
    train, test = made("noise", 800, rng), made("noise", 3000, rng)
    best = (test.X[:, 0] > 0).astype(int)
    found = split_disparity(LogisticRegression(), train, test, best=best, refits=10)
    assert found.noise_is == "given"
    for name in ("hard", "plain"):
        inside = test.group == name
        assert found.of(name).parts[0].value == pytest.approx((best != test.y)[inside].mean())
    assert found.of("hard").parts[0].value == pytest.approx(0.3, abs=0.04)


def test_a_tiny_group_is_not_estimated() -> None:
    rng = np.random.default_rng(4)
    train, test = made("noise", 400, rng), made("noise", 400, rng)
    group = np.where(np.arange(400) < 5, "tiny", test.group)
    found = split_disparity(LogisticRegression(), train, Rows(test.X, test.y, group), refits=10)
    assert found.of("tiny").cause is None
    assert all(one.value is None and one.why for one in found.of("tiny").parts)


def test_a_model_that_fails_is_told_in_words() -> None:
    rng = np.random.default_rng(5)
    train = made("noise", 100, rng)
    broken = LogisticRegression(C=-1)
    with pytest.raises(DataError, match="failed on a bootstrap sample"):
        split_disparity(broken, train, train, refits=10)
    with pytest.raises(UsageError, match="refits"):
        split_disparity(broken, train, train, refits=2)


CASES = {
    "bias": {"train": (4000, 20000), "validation": (4100, 20000), "test": (4000, 20000)},
    "variance": {"train": (400, 20000), "validation": (3000, 20000), "test": (3100, 20000)},
    "mismatch": {"train": (400, 20000), "validation": (500, 20000), "test": (4000, 20000)},
}


@pytest.mark.parametrize("case", CASES)
def test_each_part_is_named_alone_where_it_is_alone(case: str) -> None:
    one = diagnose({"g": CASES[case]}, 0.01).of("g")
    assert one.named == (case,)
    assert len(one.advice) == 1
    assert [part.verdict for part in one.parts if part.name != case] == ["not high", "not high"]


def test_few_rows_can_not_say() -> None:
    found = diagnose({"g": {"train": (2, 20), "validation": (4, 20)}}, 0.01).of("g")
    assert found.named == ()
    assert [part.verdict for part in found.parts] == ["cannot say"] * 3
    assert found.parts[2].why == "no row of the test split"
    assert found.parts[2].value is None


def test_the_interval_of_a_part_decides_it() -> None:
    found = diagnose({"g": CASES["variance"]}, 0.01, margin=0.127).of("g")
    part = next(one for one in found.parts if one.name == "variance")
    assert part.value == pytest.approx(0.13)
    assert part.low is not None
    assert part.low < 0.127 < part.value
    assert part.verdict == "cannot say"


def test_a_group_may_have_a_target_of_its_own() -> None:
    counts = {"everyone": CASES["bias"], "g": CASES["bias"]}
    found = diagnose(counts, {"everyone": 0.01, "g": 0.19})
    assert found.of("everyone").named == ("bias",)
    assert found.of("g").named == ()
    assert codec.loads(Diagnosis, codec.dumps(found), where="x") == found


def test_errors_are_counted_by_group_and_split() -> None:
    found = count_errors([1, 0, 1, 1], ["train", "train", "test", "test"], ["a", "b", "a", "b"])
    assert found["everyone"] == {"train": (1, 2), "validation": (0, 0), "test": (2, 2)}
    assert found["b"] == {"train": (0, 1), "validation": (0, 0), "test": (1, 1)}


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: count_errors([1], ["dev"], None), DataError, "a split is called 'dev'"),
        (lambda: count_errors([1], ["train", "test"], None), DataError, "one each"),
        (lambda: diagnose({"g": {}}, 1.5), UsageError, "no target error"),
        (lambda: diagnose({"g": {}}, {"h": 0.1}), UsageError, "no group is called 'h'"),
        (lambda: diagnose({"g": {}}, 0.1, margin=-1), UsageError, "margin"),
        (lambda: diagnose({"g": {}}, 0.1, confidence=0.2), UsageError, "confidence"),
    ],
)
def test_bad_input_gets_clear_words(call: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()  # type: ignore[operator]

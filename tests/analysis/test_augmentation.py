"""Added rows whose distortion is known to be in the test rows, or known not to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit import codec
from audit.analysis.augmentation import AugmentationCheck, check_augmentation, delong
from audit.errors import DataError, UsageError


def clean(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.normal(size=n),
            "text": rng.choice(["x", "y"], n),
            "group": rng.choice(["g", "h"], n),
        }
    )


def planted(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The test rows of both groups are blurred in `a`; added rows of g are too, of h in `b`."""
    rng = np.random.default_rng(seed)
    train, test = clean(800, rng), clean(800, rng)
    test["a"] += rng.exponential(1.5, len(test))
    added = train.copy()
    g = (added["group"] == "g").to_numpy()
    added["a"] += np.where(g, rng.exponential(1.5, len(added)), 0)
    added["b"] += np.where(g, 0, rng.uniform(-4, 4, len(added)))
    added["row"] = np.arange(len(added))
    return train, added, test


@pytest.fixture(scope="module")
def found() -> AugmentationCheck:
    train, added, test = planted()
    return check_augmentation(train, added, test, group="group", features=("a", "b", "text"))


def test_representative_noise_is_told_from_random_noise_per_group(found: AugmentationCheck) -> None:
    assert found.of("g").verdict == "like the test rows"
    assert found.of("h").verdict == "noise that is not there"


def test_the_features_say_where_it_lies(found: AugmentationCheck) -> None:
    in_g, in_h = ({one.feature: one.verdict for one in found.of(name).features} for name in ("g", "h"))
    assert in_g == {
        "a": "nearer to the test rows",
        "b": "no difference seen",
        "text": "no difference seen",
    }
    assert in_h["b"] == "further from them"
    assert in_h["text"] == "no difference seen"


def test_it_survives_json(found: AugmentationCheck) -> None:
    assert codec.loads(AugmentationCheck, codec.dumps(found), where="x") == found


def test_changed_texts_are_seen() -> None:
    train, added, test = planted()
    added["text"] = "x"
    found = check_augmentation(train, added, test, features=("text",))
    assert found.of("everyone").verdict == "noise that is not there"
    assert found.of("everyone").features[0].verdict == "further from them"


def test_copies_of_a_row_stay_in_one_fold() -> None:
    train, added, test = planted()
    copies = pd.concat([added.head(100)] * 5, ignore_index=True)
    apart = check_augmentation(train, copies, test, features=("a", "b"), source="row").of("everyone")
    mixed = check_augmentation(train, copies, test, features=("a", "b")).of("everyone")
    assert mixed.added_from_test.auc is not None
    assert apart.added_from_test.auc is not None
    # Exact copies on both sides of a fold are told apart by heart.
    assert mixed.added_from_test.auc > apart.added_from_test.auc + 0.1


def test_auc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 5, 40).astype(float), rng.integers(0, 4, 30).astype(float)
    pairs = positive[:, None] - negative[None, :]
    value, error = delong(positive, negative)
    assert value == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert 0 < error < 0.1


def test_a_small_group_can_not_say() -> None:
    train, added, test = planted()
    found = check_augmentation(train, added.head(70), test, group="group", features=("a",))
    assert found.of("g").verdict == "cannot say"
    assert "60 are the least" in found.of("g").why
    assert found.of("g").added_from_test.auc is None


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"features": ("nope",)}, UsageError, "not in all three"),
        ({"group": "nope"}, UsageError, "not in all three"),
        ({"source": "nope"}, UsageError, "no column is called"),
        ({"confidence": 2.0}, UsageError, "confidence"),
    ],
)
def test_bad_arguments_get_clear_words(change: dict[str, object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        check_augmentation(*planted(), **change)  # type: ignore[arg-type]


def test_bad_frames_get_clear_words() -> None:
    train, added, test = planted()
    with pytest.raises(DataError, match="no rows"):
        check_augmentation(train, added.head(0), test)
    with pytest.raises(DataError, match="number in one set and text"):
        check_augmentation(train.assign(a="text"), added, test)
    with pytest.raises(UsageError, match="share no feature"):
        check_augmentation(train, added[["row"]], test)

"""Models opened to be asked: what is told apart, what is refused, and that nothing runs unasked."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from audit.analysis import models
from audit.analysis.models import load_model
from audit.analysis.trees import check_trees
from audit.errors import DataError, UsageError
from tests.needs import needs_extra


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame({"income": random.normal(size=60), "town": random.choice(["a", "b"], 60)})


def fitted(rows: pd.DataFrame, last: Any, labels: tuple[str, str] = ("no", "yes")) -> Any:
    encode = make_column_transformer(
        (StandardScaler(), ["income"]), (OneHotEncoder(sparse_output=False), ["town"])
    )
    y = np.where(rows["income"] + (rows["town"] == "a") > 0, labels[1], labels[0])
    return make_pipeline(encode, last).fit(rows, y)


@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        RandomForestClassifier(3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
    ],
    ids=lambda last: type(last).__name__,
)
def test_a_stored_estimator_answers_as_it_did(last: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    whole = fitted(rows, last)
    skops.io.dump(whole, tmp_path / "m.skops")
    model = load_model("m.skops", base=tmp_path)
    shuffled = rows[["town", "income"]].assign(other=1)
    assert (model.decide(shuffled) == whole.predict(rows)).all()
    np.testing.assert_array_equal(model.rate(shuffled), whole.predict_proba(rows))
    np.testing.assert_array_equal(model.score(shuffled), whole.predict_proba(rows)[:, 1])
    np.testing.assert_array_equal(model.score(shuffled, "no"), whole.predict_proba(rows)[:, 0])
    assert (model.kind, model.features, model.classes) == ("skops", ("income", "town"), ("no", "yes"))
    assert model.sha256 == hashlib.sha256((tmp_path / "m.skops").read_bytes()).hexdigest()


def test_an_unknown_type_is_refused_by_its_name(rows: pd.DataFrame, tmp_path: Path) -> None:
    whole = make_pipeline(FunctionTransformer(_doubled), LogisticRegression())
    whole.fit(rows[["income"]], rows["income"] > 0)
    skops.io.dump(whole, tmp_path / "m.skops")
    with pytest.raises(DataError, match=r"nobody vouches for.*_doubled"):
        load_model(tmp_path / "m.skops")


def _doubled(rows: Any) -> Any:
    return rows * 2


def test_a_type_that_is_not_audited_is_refused(rows: pd.DataFrame, tmp_path: Path) -> None:
    nearest = KNeighborsClassifier(algorithm="kd_tree").fit(rows[["income"]], rows["income"] > 0)
    skops.io.dump(nearest, tmp_path / "m.skops")
    with pytest.raises(DataError, match="KDTree"):
        load_model(tmp_path / "m.skops")


def test_a_tree_that_points_outside_of_itself_is_refused(rows: pd.DataFrame) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit(rows[["income"]], rows["income"] > 0)
    check_trees(forest, "m")
    tree = forest.estimators_[1].tree_
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    state["nodes"] = nodes
    inner = int(np.flatnonzero(nodes["left_child"] >= 0)[0])
    for change in ({"left_child": 10_000}, {"right_child": 0}, {"feature": 7}, {"feature": -5}):
        bad = nodes.copy()
        for key, value in change.items():
            bad[key][inner] = value
        tree.__setstate__({**state, "nodes": bad})
        with pytest.raises(DataError, match="outside"):
            check_trees({"a": [forest]}, "m")
    tree.__setstate__(state)
    check_trees(forest, "m")


def test_a_boosted_tree_that_points_outside_of_itself_is_refused(rows: pd.DataFrame) -> None:
    boosted = HistGradientBoostingClassifier(max_iter=2).fit(rows[["income"]], rows["income"] > 0)
    check_trees(boosted, "m")
    nodes = boosted._predictors[0][0].nodes
    inner = int(np.flatnonzero(nodes["is_leaf"] == 0)[0])
    for key, value in (("left", 99_999), ("feature_idx", 3)):
        kept = int(nodes[key][inner])
        nodes[key][inner] = value
        with pytest.raises(DataError, match="outside"):
            check_trees(boosted, "m")
        nodes[key][inner] = kept
    nodes["is_categorical"][inner], nodes["bitset_idx"][inner] = 1, 9
    with pytest.raises(DataError, match="outside"):
        check_trees(boosted, "m")


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.PICKLE"])
def test_a_pickle_is_not_even_opened_without_trust(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(tmp_path / "ran")))
    with pytest.raises(UsageError, match="runs whatever code") as found:
        load_model(name, base=tmp_path)
    assert "--trust" in str(found.value)
    assert not (tmp_path / "ran").exists()


def test_a_trusted_pickle_answers(rows: pd.DataFrame, tmp_path: Path) -> None:
    whole = fitted(rows, LogisticRegression())
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(whole))
    model = load_model("m.pkl", base=tmp_path, trust=True)
    assert (model.kind, len(model.decide(rows))) == ("pickle", 60)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="a list, which cannot predict"):
        load_model("list.pkl", base=tmp_path, trust=True)


FUNCTIONS = """
import numpy as np
def chosen(frame): return (frame["income"] > 0).to_numpy()
def scored(frame): return 1 / (1 + np.exp(-frame["income"].to_numpy()))
def classes(frame): return np.column_stack([scored(frame) / 2, scored(frame) / 2, 1 - scored(frame)])
def short(frame): return [1, 0]
def broken(frame): return frame["salary"]
def nothing(frame): return np.full(len(frame), np.nan)
number = 5
"""


def test_a_function_gives_decisions_or_scores(rows: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "my_model_a.py").write_text(FUNCTIONS)
    chosen = load_model("my_model_a:chosen", base=tmp_path)
    assert (chosen.decide(rows) == (rows["income"] > 0)).all()
    assert chosen.rate(rows) is None
    assert chosen.sha256 is None
    scored = load_model("my_model_a:scored", base=tmp_path)
    np.testing.assert_allclose(scored.score(rows), 1 / (1 + np.exp(-rows["income"])), rtol=1e-15)
    assert (scored.decide(rows) == (rows["income"] >= 0)).all()
    classes = load_model("my_model_a:classes", base=tmp_path)
    rated = classes.rate(rows)
    assert rated is not None
    assert rated.shape == (60, 3)
    with pytest.raises(UsageError, match="3 classes apart"):
        classes.score(rows)


@pytest.mark.parametrize(
    ("name", "words"),
    [("short", "2 decisions for 60 rows"), ("broken", "KeyError"), ("nothing", r"no answer \(NaN\)")],
)
def test_a_function_that_fails_is_a_clear_error(
    name: str, words: str, rows: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "my_model_b.py").write_text(FUNCTIONS)
    with pytest.raises(DataError, match=words):
        load_model(f"my_model_b:{name}", base=tmp_path).decide(rows)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_here:f", "no module is called 'no_such_module_here'"),
        ("my_model_c:scred", "Did you mean scored"),
        ("my_model_c:number", "no function 'number'"),
        ("my_model_d:f", "SyntaxError"),
        ("model.h5", "unknown kind"),
        ("none.skops", "cannot be read"),
        ("model", r"Expected a \.skops file"),
    ],
)
def test_what_is_no_model_is_a_usage_error(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "my_model_c.py").write_text(FUNCTIONS)
    (tmp_path / "my_model_d.py").write_text("def f(:\n")
    with pytest.raises(UsageError, match=words):
        load_model(name, base=tmp_path)


@pytest.mark.parametrize("name", ["m.skops", "m.onnx"])
def test_a_file_of_garbage_is_a_data_error(name: str, tmp_path: Path) -> None:
    if name.endswith("onnx"):
        needs_extra("onnxruntime")
    (tmp_path / name).write_bytes(b"garbage <script>")
    with pytest.raises(DataError, match="could not be loaded"):
        load_model(name, base=tmp_path)


def test_a_missing_or_misnamed_feature_is_named(rows: pd.DataFrame, tmp_path: Path) -> None:
    skops.io.dump(fitted(rows, LogisticRegression()), tmp_path / "m.skops")
    model = load_model("m.skops", base=tmp_path)
    with pytest.raises(UsageError, match=r"'income'.*not there\n.*Did you mean incomes"):
        model.decide(rows.rename(columns={"income": "incomes"}))
    with pytest.raises(UsageError, match="no class 'maybe'; it has: no, yes"):
        model.score(rows, "maybe")
    with pytest.raises(DataError, match="the model failed on the rows"):
        model.decide(rows.assign(income="much"))


def onnx_bytes(*, named: bool) -> bytes:
    """A logistic model of two numbers, as one matrix or as two named columns."""
    needs_extra("onnxruntime")
    onnx: Any = needs_extra("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    columns = ["income", "debt"]
    given = (
        [helper.make_tensor_value_info(name, number, [None, 1]) for name in columns]
        if named
        else [helper.make_tensor_value_info("X", number, [None, 2])]
    )
    joined = [helper.make_node("Concat", columns, ["X"], axis=1)] if named else []
    linear = helper.make_node(
        "LinearClassifier",
        ["X"],
        ["label", "raw"],
        domain="ai.onnx.ml",
        coefficients=[-1.0, 2.0, 1.0, -2.0],
        intercepts=[-0.25, 0.25],
        classlabels_ints=[0, 1],
        post_transform="SOFTMAX",
    )
    same = helper.make_node("Identity", ["raw"], ["probabilities"])
    out = [
        helper.make_tensor_value_info("label", onnx.TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", number, [None, 2]),
    ]
    graph = helper.make_graph([*joined, linear, same], "credit", given, out)
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString())


@pytest.mark.parametrize("named", [True, False])
def test_an_onnx_model_answers(named: bool, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(named=named))
    frame = pd.DataFrame({"income": [1.0, -1.0, 0.5], "debt": [0.2, 0.3, 1.0]})
    model = load_model("m.onnx", base=tmp_path)
    expected = 1 / (1 + np.exp(-2 * (frame["income"] - 2 * frame["debt"] + 0.25)))
    np.testing.assert_allclose(model.score(frame), expected, atol=1e-6)
    assert model.decide(frame).tolist() == [1, 0, 0]
    assert model.features == (("income", "debt") if named else None)


def test_onnx_without_its_package_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(models.importlib, "import_module", absent)
    with pytest.raises(UsageError, match=r"pip install 'harm-audit\[onnx\]'"):
        load_model("m.onnx", base=tmp_path)

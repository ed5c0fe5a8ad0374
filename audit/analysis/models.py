"""Models opened to be asked: skops, ONNX, a function of the user's, a trusted pickle."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.analysis.asking import Array, Model, one_line
from audit.analysis.trees import check_trees
from audit.errors import DataError, UsageError
from audit.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


AUDITED_TYPES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""Beyond what skops trusts by itself: plain arrays, whose node numbers are checked before they are used."""
KINDS = "a .skops file, an .onnx file, module:function, or with --trust a .joblib or .pkl file"
_PICKLES = (".pkl", ".pickle", ".joblib")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_ONNX_NUMBERS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def load_model(name: str | Path, *, base: Path | None = None, trust: bool = False) -> Model:
    """The model called `name`: a path from `base`, or `module:function` importable from there.

    A skops file is opened only where every type in it is one that scikit-learn, skops or
    `AUDITED_TYPES` vouches for. A pickle runs whatever it holds as code, so it needs `trust`. A
    function takes a frame and returns decisions (n,), scores (n,) in [0, 1] as floats, or scores
    (n, classes). The bytes that are hashed are the bytes that are loaded.
    Errors: UsageError where there is no such model, it is of an unknown kind, needs `trust` or a
    package that is not installed; DataError where the file cannot be loaded or holds unknown types.
    """
    text, base = str(name), base or Path()
    path = Path(text).expanduser()
    path = path if path.is_absolute() else base / path
    if _FUNCTION.fullmatch(text) and not path.exists():
        return _function(text, base)
    kind = path.suffix.lower()
    if kind not in (".skops", ".onnx", *_PICKLES):
        raise UsageError(f"a model of an unknown kind: {text}", where="model", hint=f"Expected {KINDS}.")
    if kind in _PICKLES and not trust:
        raise UsageError(
            f"{path.name} is a pickle: loading it runs whatever code it holds",
            where="model",
            hint="Store it with skops.io.dump, or add --trust if you made the file yourself.",
        )
    content = _bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    if kind == ".onnx":
        return _onnx(content, path.name, digest)
    estimator = _skops(content, path.name) if kind == ".skops" else _pickle(content, path.name)
    return _estimator(estimator, "skops" if kind == ".skops" else "pickle", path.name, digest)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the model file cannot be read: {error.strerror or error}",
            where=str(path),
            hint=f"Expected {KINDS}.",
        ) from error


def _skops(content: bytes, name: str) -> Any:
    skops = _package("skops.io", "skops", name)
    with _loading(name):
        unknown = [kind for kind in skops.get_untrusted_types(data=content) if kind not in AUDITED_TYPES]
        if unknown:
            raise DataError(
                f"holds types that nobody vouches for: {', '.join(sorted(unknown)[:10])}",
                where=name,
                hint="Give the model as module:function, or as ONNX.",
            )
        estimator = skops.loads(content, trusted=list(AUDITED_TYPES))
        check_trees(estimator, name)
        return estimator


def _pickle(content: bytes, name: str) -> Any:
    joblib = importlib.import_module("joblib")
    with _loading(name):
        return joblib.load(io.BytesIO(content))


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Whatever a loader raises, as a DataError; a stored file may make it raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"the model could not be loaded: {type(error).__name__}: {one_line(error)}",
            where=name,
            hint="Store it again with the versions that are installed here.",
        ) from error


def _estimator(estimator: Any, kind: str, name: str, digest: str | None) -> Model:
    if not callable(getattr(estimator, "predict", None)):
        raise DataError(
            f"holds a {type(estimator).__name__}, which cannot predict",
            where=name,
            hint="Store the fitted estimator, or the whole pipeline.",
        )
    features = getattr(estimator, "feature_names_in_", None)
    classes = getattr(estimator, "classes_", None)

    def ask(rows: pd.DataFrame) -> tuple[Array, Array | None]:
        given: Any = rows if features is not None else rows.to_numpy()
        rated = estimator.predict_proba(given) if hasattr(estimator, "predict_proba") else None
        return np.asarray(estimator.predict(given)), rated

    return Model(
        kind,
        name,
        digest,
        None if features is None else tuple(str(one) for one in features),
        None if classes is None else tuple(np.asarray(classes).tolist()),
        estimator,
        ask,
    )


def _onnx(content: bytes, name: str, digest: str) -> Model:
    runtime = _package("onnxruntime", "onnxruntime", name, extra="onnx")
    with _loading(name):
        runtime.set_default_logger_severity(4)
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        inputs = session.get_inputs()
        outputs = [one.name for one in session.get_outputs()]
    whole = len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1

    def ask(rows: pd.DataFrame) -> tuple[Array, Array | None]:
        if whole:
            kind = _ONNX_NUMBERS.get(inputs[0].type, np.float32)
            fed = {inputs[0].name: rows.to_numpy(dtype=kind)}
        else:
            fed = {one.name: _onnx_column(rows[one.name], one) for one in inputs}
        answers = session.run(outputs, fed)
        return _onnx_answers(answers)

    features = None if whole else tuple(one.name for one in inputs)
    return Model("onnx", name, digest, features, None, session, ask)


def _onnx_column(column: pd.Series[Any], wanted: Any) -> Array:
    kind = _ONNX_NUMBERS.get(wanted.type)
    values = column.to_numpy(dtype=object).astype(str) if kind is None else column.to_numpy(dtype=kind)
    return values.reshape(-1, 1) if len(wanted.shape) == 2 else values


def _onnx_answers(answers: list[Any]) -> tuple[Array, Array | None]:
    """Decisions, and scores where there is a second output: an array, or a mapping a row."""
    first = np.asarray(answers[0])
    if len(answers) == 1:
        return _of_array(first)
    second = answers[1]
    if isinstance(second, list):
        second = [list(row.values()) for row in second]
    scores = np.asarray(second, dtype=np.float64)
    return first.reshape(len(first)), scores.reshape(len(scores), -1)


def _function(text: str, base: Path) -> Model:
    module_name, _, attribute = text.partition(":")
    with _importable(base):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"no module is called {error.name!r}",
                where=text,
                hint=f"Looked in {base.resolve()} and where Python finds packages.",
            ) from error
        except Exception as error:
            raise UsageError(
                f"importing it failed: {type(error).__name__}: {one_line(error)}",
                where=text,
                hint=f"Try: python -c 'import {module_name}'",
            ) from error
    function = getattr(module, attribute, None)
    if function is None or not callable(function):
        near = nearest(attribute, [name for name in vars(module) if callable(getattr(module, name))])
        raise UsageError(
            f"{module_name} has no function {attribute!r}",
            where=text,
            hint=f"Did you mean {near}?" if near else "Name a function that takes a frame.",
        )

    def ask(rows: pd.DataFrame) -> tuple[Array, Array | None]:
        return _of_array(np.asarray(function(rows)))

    return Model("function", text, None, None, None, function, ask)


def _of_array(given: Array) -> tuple[Array, Array | None]:
    """Decisions and scores of one array: (n, classes) and floats (n,) are scores, the rest decisions."""
    if given.ndim == 2 and given.shape[1] > 1:
        return given.argmax(axis=1), given
    flat = given.reshape(len(given)) if given.ndim else given.reshape(1)
    if flat.dtype.kind == "f" and not np.isin(flat, (0.0, 1.0)).all():
        if not ((flat >= 0) & (flat <= 1)).all():
            return flat, None
        return (flat >= 0.5).astype(np.int64), np.column_stack((1 - flat, flat))
    return flat, None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)


def _package(module: str, package: str, where: str, *, extra: str | None = None) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = f"'harm-audit[{extra}]'" if extra else package
        raise UsageError(
            f"{package} is needed to open this model and is not installed",
            where=where,
            hint=f"Type: pip install {wanted}",
        ) from error

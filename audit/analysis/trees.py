"""Stored decision trees, checked before use: a node number that points outside would read foreign memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError

_LEAF = -1


def check_trees(model: Any, name: str) -> None:
    """A DataError where a tree within `model` has a node that points outside of it, back, or at no feature.

    A node's children stand after it, as scikit-learn stores them, so no walk goes round in a circle.
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, int | None]] = [(model, None)]
    while waiting:
        one, features = waiting.pop()
        if id(one) in seen or isinstance(one, (str, bytes, int, float, type(None))):
            continue
        seen.add(id(one))
        features = getattr(one, "n_features_in_", features)
        kind = type(one).__name__
        inside: list[Any] = []
        if kind == "Tree":
            ends = one.children_left == _LEAF
            least = one.n_features if features is None else min(one.n_features, features)
            _check(name, one.children_left, one.children_right, one.feature, ends, least)
        elif kind == "TreePredictor":
            nodes = one.nodes
            _check(name, nodes["left"], nodes["right"], nodes["feature_idx"], nodes["is_leaf"] != 0, features)
            _check_bitsets(name, nodes, one.raw_left_cat_bitsets)
        elif isinstance(one, dict):
            inside = list(one.values())
        elif isinstance(one, np.ndarray):
            inside = np.ravel(one).tolist() if one.dtype.hasobject else []
        elif isinstance(one, (list, tuple, set)):
            inside = list(one)
        elif hasattr(one, "__dict__"):
            inside = list(vars(one).values())
        waiting += [(part, features) for part in inside]


def _check(
    name: str,
    left: npt.NDArray[Any],
    right: npt.NDArray[Any],
    feature: npt.NDArray[Any],
    ends: npt.NDArray[np.bool_],
    features: int | None,
) -> None:
    place, size = np.arange(len(left)), len(left)
    inner = ~ends
    sound = all(((side > place) & (side < size))[inner].all() for side in (left, right))
    sound = sound and size > 0 and bool((feature[inner] >= 0).all())
    if features is not None:
        sound = sound and bool((feature[inner] < features).all())
    if not sound:
        raise _outside(name)


def _check_bitsets(name: str, nodes: npt.NDArray[Any], bitsets: npt.NDArray[Any]) -> None:
    split = (nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)
    if not (nodes["bitset_idx"][split] < len(bitsets)).all():
        raise _outside(name)


def _outside(name: str) -> DataError:
    return DataError(
        "holds a tree whose nodes point outside of it",
        where=name,
        hint="Store the model again; do not trust this file.",
    )

"""From and to AIF360's BinaryLabelDataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import audit
from audit.errors import DataError, UsageError
from audit.integrations.cells import WEIGHT, cells_of, complete

if TYPE_CHECKING:
    from audit import Audit

_OWN = {"label", "prediction", WEIGHT}


def from_dataset(dataset: Any, predicted: Any = None, *, rules: Sequence[Any] = (), **options: Any) -> Audit:
    """Audit a BinaryLabelDataset: its labels as decisions, or with `predicted` those against its labels.

    Protected attributes become attributes, their codes the words of `protected_attribute_maps` where the
    dataset has them; a single privileged value becomes the reference. Instance weights other than 1 become
    sampling weights. `options` are those of `audit.audit`. Datasets of different rows are a DataError.
    """
    names = [str(name) for name in dataset.protected_attribute_names]
    if _OWN & {*names}:
        raise UsageError(f"a protected attribute is called {sorted(_OWN & {*names})[0]!r}", hint="Rename it.")
    if predicted is not None:
        _same_rows(dataset, predicted)
    maps = _maps(dataset, names)
    codes = np.asarray(dataset.protected_attributes, dtype=float)
    rows = {
        name: [maps[name].get(code, _plain(code)) for code in codes[:, i]] for i, name in enumerate(names)
    }
    frame = pd.DataFrame(rows)
    frame["prediction"] = _favoured(predicted if predicted is not None else dataset)
    given: dict[str, Any] = {"prediction": "prediction", "positive": "1"}
    if predicted is not None:
        frame["label"] = _favoured(dataset)
        given["label"] = "label"
    weights = np.asarray(dataset.instance_weights, dtype=float)
    if not (weights == 1).all():
        frame[WEIGHT] = weights
        given |= {"weight": WEIGHT, "weights": "sampling"}
    sensitive = {
        name: {"reference": maps[name].get(values[0], _plain(values[0]))} if len(values) == 1 else {}
        for name, values in zip(names, map(list, dataset.privileged_protected_attributes), strict=True)
    }
    return audit.audit(frame, sensitive=sensitive, rules=rules, **{**given, **options})


def to_dataset(
    done: Audit,
    *,
    privileged: Mapping[str, str],
    labels: str = "label",
    leave_out: bool = False,
) -> Any:
    """A BinaryLabelDataset over the audit's cells, its instance weights their rows.

    `labels` says what its labels are: label or prediction. `privileged` maps each attribute that is wanted
    to its privileged value, which is coded 1; the others are coded from 2 on, in the order of their names,
    and `metadata["protected_attribute_maps"]` says which is which. Where the audit's outcome is adverse, 0 is
    the favourable label.
    """
    from aif360.datasets import BinaryLabelDataset

    if labels not in ("label", "prediction"):
        raise UsageError(f"labels is {labels!r}", hint="Allowed: label, prediction.")
    cells = complete(cells_of(done, list(privileged)), labels, leave_out=leave_out)
    codes = {name: _codes(name, cells[name], value) for name, value in privileged.items()}
    frame = pd.DataFrame({name: cells[name].map(codes[name]).astype(float) for name in privileged})
    frame["label"] = cells[labels].astype(float)
    frame[WEIGHT] = cells[WEIGHT].astype(float)
    good = float(done.result.system.outcome == "favourable")
    return BinaryLabelDataset(
        favorable_label=good,
        unfavorable_label=1 - good,
        df=frame,
        label_names=["label"],
        protected_attribute_names=list(privileged),
        instance_weights_name=WEIGHT,
        privileged_protected_attributes=[[1.0] for _ in privileged],
        unprivileged_protected_attributes=[
            [c for c in codes[name].values() if c != 1] for name in privileged
        ],
        metadata={
            "label_maps": [{1.0: "1", 0.0: "0"}],
            "protected_attribute_maps": [
                {code: value for value, code in codes[n].items()} for n in privileged
            ],
        },
    )


def _codes(name: str, values: pd.Series[str], privileged: str) -> dict[str, float]:
    found = sorted(values.unique())
    if privileged not in found:
        raise UsageError(f"{name} has no value {privileged!r}", hint=f"There are: {', '.join(found)}.")
    others = [value for value in found if value != privileged]
    return {privileged: 1.0, **{value: 2.0 + place for place, value in enumerate(others)}}


def _maps(dataset: Any, names: list[str]) -> dict[str, dict[float, str]]:
    known = (dataset.metadata or {}).get("protected_attribute_maps") or [{}] * len(names)
    return {
        name: {float(code): str(word) for code, word in words.items()}
        for name, words in zip(names, known, strict=True)
    }


def _plain(code: float) -> str | None:
    return None if np.isnan(code) else f"{code:g}"


def _favoured(dataset: Any) -> list[str]:
    labels = np.asarray(dataset.labels, dtype=float).ravel()
    return ["1" if favoured else "0" for favoured in labels == dataset.favorable_label]


def _same_rows(dataset: Any, predicted: Any) -> None:
    if list(dataset.instance_names) != list(predicted.instance_names):
        raise DataError("the two datasets do not hold the same rows", hint="Predict on a copy of the first.")

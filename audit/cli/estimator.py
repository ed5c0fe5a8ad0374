"""A model to be fitted again: MODULE:NAME, a skops file, or with trust a pickle."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from audit.errors import UsageError

FILES = (".skops", ".joblib", ".pkl", ".pickle")


def open_estimator(name: str, *, trust: bool = False) -> Any:
    """What has fit and predict under this name; a class or function is called for it.

    A file is opened as `load_model` does; a module is looked for in this folder first.
    Errors: UsageError where there is none, or it cannot be fitted.
    """
    if name.lower().endswith(FILES):
        models: Any = importlib.import_module("audit.analysis.models")
        model = models.load_model(name, trust=trust).estimator
    else:
        model = _imported(name)
    if not hasattr(model, "fit") or not hasattr(model, "predict"):
        raise UsageError(f"{name} has no fit and predict", where="--model")
    return model


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise UsageError(f"{name!r} is not MODULE:NAME", where="--model", hint="For example training:model.")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            str(error), where="--model", hint="The module is looked for in this folder."
        ) from error
    made = callable(found) and (isinstance(found, type) or not hasattr(found, "fit"))
    return found() if made else found

"""A spec of rows alone: columns and groups, with no decision in them yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit.spec.load import AuditSpec
from audit.spec.model import Document
from audit.spec.problems import Places, Problems
from audit.spec.translate import collect


def of_table(data: Mapping[str, Any], *, base: Path | None = None) -> AuditSpec:
    """The spec whose `data:` is this; unlike an audit's it may name no label, prediction or score.

    Errors: SpecError for what is no data section.

    >>> of_table({"source": "train.csv", "columns": {}, "attributes": {"sex": {}}}).data.source
    'train.csv'
    """
    problems = Problems(Places(None, {}))
    try:
        document = Document.model_validate({"system": {"name": "table"}, "data": dict(data)})
    except ValidationError as error:
        collect(error, problems)
        problems.raise_any()
        raise
    return AuditSpec(
        None,
        None,
        base or Path(),
        document.system,
        document.data,
        document.policy,
        document.monitor,
        problems.places,
    )

"""The JSON Schema of `audit.yaml`, for editors: descriptions, allowed words, names of metrics."""

from __future__ import annotations

from typing import Any

from audit.registry import COMPARISONS, Alias, Metric, aliases, metrics
from audit.spec.model import Document


def spec_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that completes and checks the file while it is written."""
    made = Document.model_json_schema(by_alias=True)
    definitions = made["$defs"]
    rule = definitions["RuleSpec"]["properties"]
    known: dict[str, Metric | Alias] = {**metrics(), **aliases()}
    named = [name for name, entry in known.items() if entry.comparable]
    rule["metric"] = {**_text(rule["metric"]), "enum": named}
    rule["comparison"] = {**_text(rule["comparison"]), "enum": list(COMPARISONS)}
    data = definitions["Data"]["properties"]
    either = data["positive"]["anyOf"]
    data["positive"]["anyOf"] = [{"type": ["string", "number", "boolean"]}, *either]
    names = data["attributes"]
    names["additionalProperties"] = {"anyOf": [names["additionalProperties"], {"type": "null"}]}
    names["minProperties"] = 1
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "audit.yaml",
    }


def _text(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key in ("title", "description")}
    return {**kept, "type": "string"}

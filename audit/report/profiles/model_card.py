"""A model card with disaggregated figures: a page, Model Card Toolkit's JSON, Hugging Face's model-index."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML

from audit.report import numbers
from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, Field, harm_title, missing, page
from audit.report.profiles.measured import Figure

TITLE = "Model card"
SCHEMA = "0.0.2"
CITES = ("PRACTICE model-cards", "NIST-AI-RMF MEASURE 2.11", "NIST-AI-RMF MAP 2.2")
TASK = "tabular-classification"


def html(case: Case) -> Document:
    """The card as a page."""
    return page(
        case,
        "model_card.html",
        title=TITLE,
        fields=_fields(case),
        cites=CITES,
        rules=measured.rules(case),
        figures=measured.figures(case),
    )


def as_json(case: Case) -> Document:
    """The card for Model Card Toolkit, schema v0.0.2; what is not filled makes its overview begin with DRAFT.

    The schema has no place for an interval, so each limit is a metric of its own.
    """
    fields = {field.name: field for field in _fields(case)}
    blanks = missing(fields.values())
    result = case.result
    card = {
        "schema_version": SCHEMA,
        "model_details": _details(case, fields, blanks),
        "model_parameters": {"data": [_dataset(case)], "output_format": _value(fields["output"])},
        "quantitative_analysis": {"performance_metrics": _metrics(case)},
        "considerations": {
            "users": _described(fields["population_served"]),
            "use_cases": _described(fields["intended_purpose"]),
            "limitations": [
                *_described(fields["limitations"]),
                *({"description": f"Not measured: {n.what}: {n.why}"} for n in result.not_measured),
            ],
            "ethical_considerations": _risks(case),
        },
    }
    return Document(_dump(card), blanks)


def as_yaml(case: Case) -> Document:
    """The front matter of a Hugging Face model card, its `model-index` block, figures by group.

    A draft says so in the model's name.
    """
    blanks = missing(_fields(case))
    data = case.result.data
    name = numbers.clean(case.result.system.name)
    source = {"name": numbers.clean(data.source), "type": numbers.clean(data.kind)}
    task = {"type": TASK, "name": "Decisions about people"}
    results = [
        {
            "task": task,
            "dataset": {**source, "args": None if f.attribute == "everyone" else {f.attribute: f.group}},
            "metrics": [_metric(case, f)],
        }
        for f in measured.figures(case)
        if f.value is not None
    ]
    for entry in results:
        dataset: Any = entry["dataset"]
        if dataset["args"] is None:
            del dataset["args"]
    index = {"model-index": [{"name": f"DRAFT {name}" if blanks else name, "results": _plain(results)}]}
    out = io.StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    writer.dump(index, out)
    return Document(f"---\n{out.getvalue()}---\n", blanks)


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html, "json": as_json, "yaml": as_yaml}


def _fields(case: Case) -> tuple[Field, ...]:
    return (
        case.system("owner", "Owner", "who answers for the model"),
        case.system("version", "Version", "which version was audited"),
        case.system("output", "Output", "what it gives out"),
        case.fact("intended_purpose", "Intended use", "what it is for"),
        case.fact("population_served", "Persons concerned", "whom it decides on"),
        case.fact("data_source", "Evaluation data", "where the data come from, and why these"),
        case.statement("data_sheet", "Training data"),
        case.statement("limitations", "Limits and uses out of scope"),
        case.statement("metric_reasons", "Why these metrics"),
    )


def _plain(value: Any) -> Any:
    """Without shared parts, which YAML would write as anchors."""
    return json.loads(json.dumps(value))


def _dump(card: Any) -> str:
    return json.dumps(card, ensure_ascii=True, indent=1, allow_nan=False) + "\n"


def _value(field: Field) -> str:
    return field.value or f"TO BE FILLED: {field.ask}"


def _described(field: Field) -> list[dict[str, str]]:
    return [{"description": _value(field)}]


def _details(case: Case, fields: dict[str, Field], blanks: tuple[Field, ...]) -> dict[str, Any]:
    result = case.result
    draft = f"DRAFT, {len(blanks)} fields to be filled. " if blanks else ""
    return {
        "name": result.system.name,
        "overview": f"{draft}{_value(fields['intended_purpose'])}",
        "documentation": f"{_value(fields['metric_reasons'])} Training data: {_value(fields['data_sheet'])} "
        f"Audit bundle {case.bundle_id}. No legal advice.",
        "owners": [{"name": _value(fields["owner"])}],
        "version": {"name": _value(fields["version"]), "date": result.created_at[:10]},
    }


def _dataset(case: Case) -> dict[str, Any]:
    data = case.result.data
    return {
        "name": data.source,
        "description": f"Evaluation data: {data.rows_audited} of {data.rows_read} rows audited.",
        "sensitive": {"sensitive_data": [attribute.name for attribute in data.attributes]},
    }


def _metrics(case: Case) -> list[dict[str, Any]]:
    percent = f"{100 * case.result.policy.confidence:g} % interval"
    metrics = []
    for f in measured.figures(case):
        limits = (
            (f.metric, f.value),
            (f"{f.metric}, {percent}, low", f.low),
            (f"{f.metric}, {percent}, high", f.high),
        )
        part = {} if f.attribute == "everyone" else {"slice": f"{f.attribute}: {f.group}"}
        metrics += [{"type": kind, "value": value, **part} for kind, value in limits if value is not None]
    return metrics


def _metric(case: Case, f: Figure) -> dict[str, Any]:
    metric: dict[str, Any] = {"type": f.metric, "name": f.title, "value": f.value, "verified": False}
    if f.low is not None and f.high is not None:
        confidence = f"{100 * case.result.policy.confidence:g} % interval"
        metric["args"] = {"interval": confidence, "low": f.low, "high": f.high, "n": f.n}
    return metric


def _risks(case: Case) -> list[dict[str, str]]:
    register = case.situation.register
    if register is None:
        return []
    risks = []
    for harm in register.harms:
        done = [a.description for a in register.actions if harm.id in a.harms]
        answer = "; ".join(done) or harm.treatment or "nothing is on record"
        risks.append({"name": f"{harm.id}: {harm_title(case, harm)}", "mitigation_strategy": answer})
    return risks

"""What `audit.yaml` may say. The descriptions of these fields are what editors and the docs show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from audit.spec.monitor import LabelChance, Monitor, Scores, Sink, Table
from audit.spec.policy import Policy, RuleSpec, WaiverSpec
from audit.spec.population import population
from audit.spec.secrets import expand
from audit.spec.values import Number, Scalar, Section, Text, Whole, refuse, scalar_text

REFERENCES = ("largest", "rest", "overall", "best")
"""Words that stand for a reference where a group's own value is not named."""


_SHARES = {"type": "number", "minimum": 0, "maximum": 1}
Population = Annotated[
    dict[str, dict[str, float]] | str | None,
    BeforeValidator(population),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "object", "additionalProperties": _SHARES},
                },
                {"type": ["string", "null"]},
            ]
        }
    ),
]


class Utility(Section):
    """What each outcome of a decision is worth to the person, in any one unit."""

    tp: Number = Field(description="Predicted positive, and the label is positive.")
    fp: Number = Field(description="Predicted positive, and the label is negative.")
    fn: Number = Field(description="Predicted negative, and the label is positive.")
    tn: Number = Field(description="Predicted negative, and the label is negative.")


class System(Section):
    """The system under audit: what it is called, who answers for it, and what its output does to people."""

    name: Text = Field(description="The system's name; it heads the report.")
    version: Text | None = Field(None, description="The version that is audited, in quotes.")
    owner: Text | None = Field(None, description="Who answers for the system: a person or a team.")
    use: Text | None = Field(None, description="The field of use, as credit, employment, housing, health.")
    output: Text | None = Field(None, description="What the output is and what follows from it for a person.")
    jurisdictions: tuple[Text, ...] = Field(
        (), description="Where the system is used, as [EU, US-NY]; says which laws are listed."
    )
    tier: Whole | None = Field(None, description="The impact tier that was assigned, 1 the lowest.")
    outcome: Literal["favourable", "adverse"] = Field(
        "favourable",
        description="What a positive prediction is to a person: a loan (favourable), a fraud flag (adverse).",
    )
    utility: Utility | None = Field(
        None,
        description="What each outcome is worth to the person, as {tp: 1, fp: -2, fn: -1, tn: 0}; needed by "
        "expected_utility and harm_from_rejection.",
    )
    model: Text | None = Field(
        None,
        description="Path of the model file; its digest goes into the evidence and the gate asks for it.",
    )


class Columns(Section):
    """The column that serves each role."""

    label: Text | None = Field(None, description="What really happened; needed by error rates.")
    prediction: Text | None = Field(None, description="The decision, one of two values.")
    score: Text | None = Field(None, description="The model's score, from 0 to 1 where calibration is asked.")
    weight: Text | None = Field(None, description="A weight for each row; see `weights`.")
    count: Text | None = Field(None, description="How many people a row stands for, in aggregated data.")
    id: Text | None = Field(None, description="What names a row, to find doubled ones.")
    cluster: Text | None = Field(
        None, description="What ties rows together, as a person with many rows; intervals then allow for it."
    )
    time: Text | None = Field(None, description="When the row happened.")
    exposure: Text | None = Field(
        None, description="Regression: how much a row's label and prediction count, as years insured."
    )
    query: Text | None = Field(None, description="Ranking: what names the list that a row stands in.")
    rank: Text | None = Field(None, description="Ranking: the place in the list, 1 the first.")
    relevance: Text | None = Field(None, description="Ranking: how much a row deserves a high place.")


class Positive(Section):
    """The value that means positive, for label and prediction apart."""

    label: Scalar | None = Field(None, description="The label's positive value.")
    prediction: Scalar | None = Field(None, description="The prediction's positive value.")


class Attribute(Section):
    """A sensitive attribute: whose groups are compared."""

    column: Text = Field("", description="The column that holds it; its name where left out.")
    as_: Literal["sex", "race_ethnicity", "age"] | None = Field(
        None, alias="as", description="What it is to a law whose tables need to know."
    )
    reference: Scalar = Field(
        "largest",
        description="Whom groups are compared with: a group's value, or largest, rest, overall, best.",
    )
    bins: tuple[Number, ...] | None = Field(
        None,
        description="Where a number is cut into groups, rising; each belongs to the group above it: "
        "[25, 40] gives under 25, 25 to under 40, 40 and over.",
    )
    map: dict[str, Scalar] | None = Field(
        None, description="Other names for values, as {F: Female}; values not named here stay as they are."
    )


class Join(Section):
    """Attributes that lie in another table of the same connection, or in another file."""

    table: Text | None = Field(None, description="The other table, in the source's connection.")
    source: Text | None = Field(None, description="The other file or address.")
    on: Text = Field(
        description="The column that both have. A doubled key there is an error; "
        "a row without a partner has its attributes missing."
    )
    _where: str = PrivateAttr("data.join.source")

    def resolved_source(self, environ: Mapping[str, str] | None = None) -> str | None:
        """`source` with `${NAME}` replaced from the environment; for opening, never for keeping."""
        return None if self.source is None else expand(self.source, where=self._where, environ=environ)


def _positive(value: Any) -> Any:
    if value is None or isinstance(value, (dict, Positive)):
        return value
    text = scalar_text(value)
    return {"label": text, "prediction": text}


def _attributes(value: Any) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, (list, tuple)):
            raise refuse("found a list; allowed: a mapping of names", "Write {sex: {}, race: {}}.")
        return value
    if not value:
        raise refuse("no attribute is named; at least one is needed", "Name a column, as `sex: {}`.")
    return {name: _with_column(name, given) for name, given in value.items()}


def _with_column(name: Any, given: Any) -> Any:
    if given is None:
        return {"column": name}
    if isinstance(given, dict) and given.get("column") is None:
        return {**given, "column": name}
    return given


class Data(Section):
    """Where the rows lie, which column serves which role, and whose groups are compared."""

    source: Text | None = Field(
        None,
        description="A path or glob (CSV, TSV, Parquet, JSON lines, Arrow, DuckDB) or an address, as "
        "postgres://user:${PGPASSWORD}@host/db. Secrets come as ${NAME} from the environment.",
    )
    table: Text | None = Field(None, description="The table, where the source is a database.")
    sql: Text | None = Field(None, description="One SELECT, in place of a table.")
    columns: Columns = Field(description="Which column serves which role.")
    task: Literal["binary", "score", "regression", "multiclass", "ranking", "selection"] | None = Field(
        None,
        description="What the system does, which says what metrics fit; where left out binary, or score "
        "(a score alone), or selection (no label).",
    )
    top: Whole = Field(10, description="Ranking: how many places are the top of a list.")
    threshold: Number | None = Field(
        None, description="Where there is no prediction: a score at or above it is a positive prediction."
    )
    weights: Literal["sampling", "frequency"] | None = Field(
        None,
        description="What the weight column means: sampling (a row stands for so many people; the default "
        "where there is one) or frequency (so many equal rows were seen).",
    )
    positive: Annotated[Positive | None, BeforeValidator(_positive)] = Field(
        None,
        description="What means positive: one value, or {label: …, prediction: …}; guessed where plain.",
    )
    attributes: Annotated[dict[str, Attribute], BeforeValidator(_attributes)] = Field(
        description="The sensitive attributes, by name."
    )
    intersections: Whole = Field(
        1, description="How many attributes are crossed: 1 each alone, 2 pairs too, 3 triples too."
    )
    control: tuple[Text, ...] = Field(
        (), description="Columns whose strata a conditional comparison is made within, as [department]."
    )
    missing: Literal["group", "exclude"] = Field(
        "group",
        description="Rows whose attribute is missing: a group of their own, or excluded, which is printed.",
    )
    filter: Text | None = Field(
        None, description="An SQL condition on the columns; rows that do not meet it are counted as excluded."
    )
    join: Join | None = Field(None, description="Attributes held elsewhere.")
    population: Population = Field(
        None,
        description="Each attribute's groups in the population that the system serves, as "
        "{sex: {Female: 0.51, Male: 0.49}}, or the path of a YAML file, or of a CSV file "
        "with the columns attribute, group, share.",
    )
    _where: str = PrivateAttr("data.source")

    @model_validator(mode="before")
    @classmethod
    def _weights_mean_sampling(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("weights") is None:
            columns = value.get("columns")
            if isinstance(columns, dict) and columns.get("weight") is not None:
                return {**value, "weights": "sampling"}
        return value

    @property
    def task_named(self) -> str:
        """The task, guessed from the columns where it is not written."""
        if self.task is not None:
            return self.task
        given = self.columns
        if given.prediction is None and self.threshold is None and given.score is not None:
            return "score"
        return "selection" if given.label is None else "binary"

    @property
    def positive_label(self) -> str | None:
        """The text that means a positive label; None where it is to be guessed."""
        return self.positive.label if self.positive else None

    @property
    def positive_prediction(self) -> str | None:
        """The text that means a positive prediction; None where it is to be guessed."""
        return self.positive.prediction if self.positive else None

    def resolved_source(self, environ: Mapping[str, str] | None = None) -> str | None:
        """`source` with `${NAME}` replaced from the environment; for opening, never for keeping."""
        return None if self.source is None else expand(self.source, where=self._where, environ=environ)


class Document(Section):
    """An audit: the system, its data, and the policy that it is judged by."""

    system: System = Field(description="The system under audit.")
    data: Data = Field(description="The rows, their columns and the sensitive attributes.")
    policy: Policy = Field(default_factory=lambda: Policy.model_validate({}), description="What must hold.")
    monitor: Monitor = Field(
        default_factory=lambda: Monitor.model_validate({}), description="How it is watched after its release."
    )


SECTIONS: dict[str, type[BaseModel]] = {
    "": Document,
    "system": System,
    "system.utility": Utility,
    "data": Data,
    "data.columns": Columns,
    "data.positive": Positive,
    "data.attributes.*": Attribute,
    "data.join": Join,
    "policy": Policy,
    "policy.rules.*": RuleSpec,
    "policy.rules.*.waivers.*": WaiverSpec,
    "monitor": Monitor,
    "monitor.label_chance": LabelChance,
    "monitor.scores": Scores,
    "monitor.sinks.*": Sink,
    "monitor.sql.*": Table,
}
"""Every mapping of the file by where it stands; `*` is any name or position."""


def keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a mapping, as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())

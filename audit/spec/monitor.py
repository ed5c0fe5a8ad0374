"""What `monitor:` in `audit.yaml` may say: how events are read, when they are judged, who is told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from audit.spec.secrets import literal_secret
from audit.spec.sql import select_problem
from audit.spec.values import Duration, Flag, Length, Section, Share, Text, Whole, refuse

KINDS = ("webhook", "slack", "smtp", "command")
"""The keys of which a sink has exactly one."""
MOST_CUTS = 50


class Sink(Section):
    """Where alarms are told: one of webhook, slack, smtp and command."""

    webhook: Text | None = Field(
        None, description="An address that gets the alarm as JSON by POST, signed where `secret` is given."
    )
    slack: Text | None = Field(
        None, description="An address that takes Slack's incoming-webhook JSON; a secret, so ${NAME}."
    )
    smtp: Text | None = Field(
        None, description="A mail server, as smtp://host:25 or smtps://user:${PASSWORD}@host:465."
    )
    command: tuple[Text, ...] | None = Field(
        None, description="A program with its arguments; it gets the alarm as JSON on standard input."
    )
    secret: Text | None = Field(
        None, description="The key that signs a webhook (HMAC-SHA256), as ${NAME}; never written out."
    )
    to: tuple[Text, ...] = Field((), description="Whom mail goes to.")
    sender: Text | None = Field(None, description="Whom mail comes from.")
    severity: tuple[Literal["blocker", "major", "minor"], ...] = Field(
        ("blocker", "major", "minor"), description="The severities that are told; all where left out."
    )

    @property
    def kind(self) -> str:
        """Which of the four it is."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _holds_together(self) -> Sink:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise refuse(f"a sink has one of {', '.join(KINDS)}; found {', '.join(given) or 'none'}")
        if self.kind == "smtp" and not (self.to and self.sender):
            raise refuse("mail needs `to` and `sender`", "Write {smtp: …, sender: …, to: [ops@example.org]}.")
        if self.secret is not None and not (self.secret.startswith("${") and self.secret.endswith("}")):
            raise refuse(
                "the secret of a sink is written out", "Keep it in the environment: secret: ${NAME}."
            )
        for name in ("webhook", "slack", "smtp"):
            address = getattr(self, name)
            if address is not None and (found := literal_secret(address)):
                raise refuse(f"`{name}` has {found} written out", "Keep it in the environment as ${NAME}.")
        return self


class Table(Section):
    """Events in a database, read on from where the watermark was."""

    source: Text = Field(description="The database, as postgres://user:${PGPASSWORD}@host/db.")
    table: Text | None = Field(None, description="The table that holds the events.")
    sql: Text | None = Field(None, description="One SELECT, in place of a table.")
    watermark: Text = Field(
        description="A column that only grows: the time at which a row was written, or a number from 0 up "
        "that no later row has again."
    )
    settle: Duration = Field(
        "60s",
        description="How long a row may take to appear after the time in its watermark; newer ones wait.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Table:
        if (self.table is None) == (self.sql is None):
            raise refuse("events in a database need one of `table` and `sql`")
        if found := literal_secret(self.source):
            raise refuse(f"`source` has {found} written out", "Keep it in the environment as ${NAME}.")
        if self.sql is not None and (reason := select_problem(self.sql, self.source)):
            raise refuse(f"`sql`: {reason}")
        return self


class LabelChance(Section):
    """How likely each row was to get a label, where labels come by choice and the chance was logged."""

    field: Text = Field(
        description="The field with the chance, from 0 to 1, as it was when that was decided."
    )
    floor: Share = Field(
        description="The least chance that rows have. Labels are thinned until each row had this chance of "
        "one that counts; settle it once."
    )

    @model_validator(mode="after")
    def _floor_is_a_chance(self) -> LabelChance:
        if not self.floor:
            raise refuse("a floor of 0: of a row that could get no label nothing is known")
        return self


class Scores(Section):
    """How the distribution of scores is watched; no label is needed."""

    watch: Flag = Field(True, description="false where scores are not to be looked at.")
    cuts: Whole = Field(
        9, description="At how many cuts, of about equal audited shares, distributions are held together."
    )
    at_most: Share | None = Field(
        None,
        description="The largest gap, at any cut, between the shares of a group and of its reference with "
        "a score above it. Left out: each group is held against its own audited distribution alone.",
    )
    severity: Literal["blocker", "major", "minor"] = Field(
        "minor", description="What an alarm of it weighs; minor is reported and decides nothing."
    )

    @model_validator(mode="after")
    def _cuts_are_few(self) -> Scores:
        if self.cuts > MOST_CUTS:
            raise refuse(f"{self.cuts} cuts; allowed: up to {MOST_CUTS}")
        return self


class Monitor(Section):
    """How the system is watched after its release."""

    id: Text | None = Field(None, description="The field that names an event; labels refer to it.")
    time: Text | None = Field(None, description="When it was decided: ISO 8601, or seconds since 1970.")
    person: Text | None = Field(
        None, description="Whose row it is: of a person one row a stream enters the evidence."
    )
    prediction: Text | None = Field(None, description="The decision; null where there are scores alone.")
    score: Text | None = Field(None, description="The model's score.")
    label: Text | None = Field(None, description="What really happened, in an event of its own or the same.")
    label_time: Text | None = Field(None, description="When the label became known.")
    revision: Text | None = Field(None, description="A number that grows with each correction of a label.")
    version: Text | None = Field(None, description="The model's version.")
    kind: Text | None = Field(None, description="A field that says prediction or label.")
    source: Text | None = Field(None, description="A field that names the log; ids are unique within it.")
    format: Literal["events", "sagemaker"] = Field(
        "events",
        description="What a line of a .jsonl file is: an event, or a record of SageMaker's data capture or "
        "ground truth.",
    )
    inputs: tuple[Text, ...] = Field(
        (),
        description="Names of the model's input values, in their order, where a log has none: the CSV of "
        "SageMaker's capture, the lists of KServe's V1.",
    )
    source_name: Text | None = Field(None, description="The log's name where no field says it.")
    window: Length = Field("1d", description="How long a window is: rows of one window are compared.")
    label_lag: Duration = Field("0d", description="After which time labels are taken to be in, as 30d.")
    grace: Duration = Field("1h", description="How long late predictions are waited for.")
    retention: Length | None = Field(
        None, description="How long rows are kept; counts stay. For ever if left out."
    )
    false_alarms: Share = Field(
        0.05, description="The chance of any false alarm in a year, over all groups and rules together."
    )
    tolerance: Share = Field(0.02, description="How far a group may move from its audited rate.")
    blocks: Literal["auto", "rows", "window"] = Field(
        "auto", description="What is compared at once: rows, a whole window, or settled on the history."
    )
    label_chance: LabelChance | None = Field(
        None, description="Where labels come by choice: the field with each row's logged chance of one."
    )
    scores: Scores = Field(
        default_factory=lambda: Scores.model_validate({}), description="How scores are watched."
    )
    ledger: Text | None = Field(
        None,
        description="Where counts are kept: sqlite:///file or postgresql://user:${PGPASSWORD}@host/db; "
        "monitor/ledger.db beside this file where left out.",
    )
    events: Text | None = Field(None, description="A folder whose files of events are taken in as they come.")
    sql: tuple[Table, ...] = Field((), description="Tables of events in databases.")
    sinks: tuple[Sink, ...] = Field((), description="Where alarms are told.")
    every: Length = Field("1m", description="How often `monitor run` looks for files and judges.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _ledger_has_no_secret(self) -> Monitor:
        if self.ledger is not None and (found := literal_secret(self.ledger)):
            raise refuse(f"`ledger` has {found} written out", "Keep it in the environment as ${NAME}.")
        return self

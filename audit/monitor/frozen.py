"""The baseline in the ledger: the audited result and the plan of watching, settled before any live row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select, text

from audit import codec
from audit.errors import UsageError
from audit.monitor import schema
from audit.monitor.baseline import History, Plan, plan
from audit.monitor.blocks import Choice
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, set_meta, take_turns
from audit.monitor.scores import ScoreWatch
from audit.monitor.settings import Settings, watching
from audit.monitor.streams import Stream
from audit.result import AuditResult

PLAN, RESULT, BEGUN = "baseline", "baseline.audit", "begun"


@dataclass(frozen=True, slots=True)
class Frozen:
    """What live rows are held against."""

    bundle_id: str
    result: AuditResult
    plan: Plan
    begun: int
    """When it was settled, in seconds since 1970."""
    scores: ScoreWatch | None = None
    """How scores are watched, as it was settled then."""
    no_scores: str = ""
    """Why they are not, where they are not."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        return self.plan.streams


def freeze(
    ledger: Ledger,
    result: AuditResult,
    audit_json: bytes,
    bundle_id: str,
    settings: Settings,
    *,
    now: int,
    history: History | None = None,
) -> Frozen:
    """Settles the baseline of a ledger; the same bundle again changes nothing.

    A ledger that has closed a window keeps its baseline for life, for its tables are made for the
    blocks of one plan: another one is a UsageError.
    """
    made = plan(result, settings, history)
    choices = {name: {"unit": c.unit, "ratio": c.ratio, "words": c.words} for name, c in made.choices}
    with ledger.engine.begin() as connection:
        take_turns(connection)
        stored = get_meta(connection, PLAN)
        if stored is not None and json.loads(stored)["bundle"] != bundle_id:
            used = connection.execute(select(schema.evidence.c.stream).limit(1)).first()
            if used is not None:
                old = json.loads(stored)["bundle"][:12]
                raise UsageError(
                    f"this ledger has the baseline {old} and has closed windows",
                    hint="A new release has a new ledger: give another `ledger:` or --ledger.",
                )
        if stored is None or json.loads(stored)["bundle"] != bundle_id:
            document = {
                "bundle": bundle_id,
                "begun": now,
                "choices": choices,
                "scores": None if settings.scores is None else settings.scores.document(),
                "no_scores": settings.no_scores,
            }
            set_meta(connection, PLAN, json.dumps(document, ensure_ascii=False))
            set_meta(connection, RESULT, audit_json.decode())
    found = thaw(ledger, settings)
    assert found is not None
    return found


def thaw(ledger: Ledger, settings: Settings) -> Frozen | None:
    """The baseline of a ledger; None where none is settled."""
    with ledger.engine.begin() as connection:
        stored, audit_json = get_meta(connection, PLAN), get_meta(connection, RESULT)
    if stored is None or audit_json is None:
        return None
    result = codec.loads(AuditResult, audit_json, where="the ledger's baseline")
    said = json.loads(stored)
    scores = None if said.get("scores") is None else ScoreWatch.of(said["scores"])
    why = said.get("no_scores", "this ledger was begun by a version that did not watch them")
    made = plan(result, replace(watching(settings, scores, why), blocks="rows"))
    choices = {name: Choice(**choice) for name, choice in said["choices"].items()}
    missing = [stream.id for stream in made.streams if stream.id not in choices]
    if missing:
        raise UsageError(
            f"the ledger's plan lacks {missing[0]!r}",
            hint="It was made by another version; begin a new ledger with `harm-audit monitor baseline`.",
        )
    streams = tuple(replace(stream, unit=choices[stream.id].unit) for stream in made.streams)
    settled = tuple((stream.id, choices[stream.id]) for stream in streams)
    found = Plan(streams, made.not_watched, settled)
    return Frozen(said["bundle"], result, found, said["begun"], scores, why)


def need(ledger: Ledger, settings: Settings) -> Frozen:
    """The baseline; a UsageError says how to settle one."""
    found = thaw(ledger, settings)
    if found is None:
        raise UsageError(
            "the ledger has no baseline yet",
            hint="Settle it with the released bundle: `harm-audit monitor baseline BUNDLE`.",
        )
    return found


def audited_values(result: AuditResult, attributes: Sequence[str]) -> list[frozenset[str | None]]:
    """What the ledger always has room for: the audited values of each part of a group, and none."""
    known = {attribute.name: attribute.values for attribute in result.data.attributes}
    return [frozenset((*known.get(name, ()), None)) for name in attributes]


def later_groups(
    ledger: Ledger, frozen: Frozen, attributes: Sequence[str], limit: int
) -> tuple[tuple[tuple[str, str | None], ...], int]:
    """Groups that live rows have and the audit had not, in the order of their appearance, and how many
    more there are beyond `limit`, which are counted in the ledger and not watched."""
    audited = {a.name: set(a.values) for a in frozen.result.data.attributes}
    with ledger.engine.begin() as connection:
        take_turns(connection)
        stored = [tuple(pair) for pair in json.loads(get_meta(connection, "later") or "[]")]
        seen: set[tuple[str, str | None]] = set()
        for (value,) in connection.execute(text("SELECT value FROM cell")):
            _, group = json.loads(value)
            for name, each in zip(attributes, group, strict=True):
                if name in audited and each not in audited[name]:
                    seen.add((name, each))
        new = sorted(seen - set(stored), key=lambda pair: (pair[0], pair[1] is not None, pair[1] or ""))
        fits = new[: max(0, limit - len(stored))]
        if fits:
            stored += fits
            set_meta(connection, "later", json.dumps(stored, ensure_ascii=False))
    return tuple(stored), len(new) - len(fits)

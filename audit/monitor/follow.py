"""What follows from an evaluation: sinks are told, the linked harm is opened again, a re-audit is drafted."""

from __future__ import annotations

from audit.errors import AuditError
from audit.monitor import outbox, reaudit
from audit.monitor.evaluation import Evaluation
from audit.monitor.sinks import targets
from audit.monitor.watch import Watch


def follow(watch: Watch, found: Evaluation) -> tuple[str, ...]:
    """Queues messages and opens harms again; what could not be done, in words, is tried the next time."""
    problems = []
    sinks = targets(watch.spec)
    if sinks:
        outbox.queue(watch.ledger, sinks, found)
    try:
        reaudit.follow(watch.spec.base, found)
    except (AuditError, OSError) as error:
        problems.append(f"the register of harms was not brought up to date: {error}".replace("\n", " "))
    return tuple(problems)


def deliver(watch: Watch) -> tuple[int, int]:
    """One try of every message that is due: how many were taken, and how many were not."""
    taken = failed = 0
    for sink in targets(watch.spec):
        one, other = outbox.deliver(watch.ledger, sink)
        taken, failed = taken + one, failed + other
    return taken, failed

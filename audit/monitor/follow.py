"""What follows from an evaluation: sinks are told, the linked harm is opened again, a re-audit is drafted."""

from __future__ import annotations

from audit.monitor.evaluation import Evaluation
from audit.monitor.watch import Watch


def follow(watch: Watch, found: Evaluation) -> None:
    """Does what new alarms ask for."""

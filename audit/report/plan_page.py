"""The plan as a page of its own, in the report's look."""

from __future__ import annotations

from audit.mitigation.plan import Plan
from audit.report.additions import Additions, added
from audit.report.html import document


def render(plan: Plan, *, trials: Additions | None = None) -> str:
    """The plan as one HTML document; equal arguments give equal text."""
    given = Additions(trials=None if trials is None else trials.trials, plan=plan)
    return document(
        "mend.html",
        heading=f"Mitigation plan: {plan.system}",
        eyebrow=f"As of {plan.as_of}, bundle {plan.bundle[:12]}",
        added=added(given),
    )

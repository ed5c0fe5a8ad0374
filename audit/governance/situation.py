"""Everything that is known about a project on a day: what each check and condition reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from audit.governance.applicability import Control
from audit.governance.facts import Facts
from audit.governance.harms import Register
from audit.governance.references import Registry, load_registry
from audit.governance.signoff import Signed
from audit.governance.team import Team
from audit.governance.tier import Tier
from audit.result import AuditResult, System, Verdict


@dataclass(frozen=True)
class Situation:
    """The result under review (None where there is none yet) and the project's own files."""

    as_of: date
    result: AuditResult | None = None
    bundle_id: str | None = None
    system: System | None = None
    """The system as the spec names it, for projects that were not audited yet."""
    facts: Facts = field(default_factory=Facts)
    team: Team = field(default_factory=Team)
    tier: Tier | None = None
    register: Register | None = None
    signed: tuple[Signed, ...] = ()
    registry: Registry = field(default_factory=load_registry)
    applicability: dict[str, Control] = field(default_factory=dict)
    """What was said of the controls of ISO/IEC 42001, by id."""

    @property
    def named(self) -> System | None:
        """The system, from the result where there is one."""
        return self.result.system if self.result is not None else self.system

    @property
    def level(self) -> int | None:
        """The tier that counts: the higher of the computed and the declared one."""
        computed = self.tier.tier if self.tier else None
        declared = self.named.tier if self.named else None
        known = [tier for tier in (computed, declared) if tier is not None]
        return max(known) if known else None

    def names(self) -> dict[str, Any]:
        """What conditions may ask about; None is not known."""
        system = self.named
        reached: set[str] = set()
        for place in system.jurisdictions if system else ():
            reached |= set(self.registry.reach(place))
        return {
            "use": system.use if system else None,
            "jurisdictions": reached or None,
            "tier": self.level,
            "outcome": system.outcome if system else None,
            "modality": self.facts.modality,
            "role": self.facts.role,
            "simplified_output": self.facts.simplified_output,
            "flagged": self._flagged(),
        }

    def _flagged(self) -> bool | None:
        if self.result is None:
            return None
        rates = [f for f in self.result.findings if f.metric in ("selection_rate", "four_fifths")]
        if any(f.verdict is Verdict.VIOLATION for f in rates):
            return True
        settled = rates and all(f.verdict is Verdict.PASS for f in rates)
        return False if settled else None

    def hashes(self) -> dict[str, str | None]:
        """What evidence is bound to: the digests of model, data, policy and the population's description."""
        result, population = self.result, self.facts.population_served
        return {
            "model": result.system.model.sha256 if result and result.system.model else None,
            "data": result.data.digest if result else None,
            "policy": result.policy.digest if result else None,
            "population": hashlib.sha256(population.encode()).hexdigest() if population else None,
        }

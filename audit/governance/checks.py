"""The checks that answer a question from the result or the project's own files; each says why."""

from __future__ import annotations

from collections.abc import Callable

from audit.governance import signoff
from audit.governance.evidence import MISSING, NO, UNCLEAR, YES, Evidence
from audit.governance.harms import Register
from audit.governance.references import standing, usual
from audit.governance.result_checks import RESULT_CHECKS, OfResult
from audit.governance.situation import Situation
from audit.governance.themes import load_kinds
from audit.governance.tier import load_questionnaire

Check = Callable[[Situation], Evidence]


def _of_result(check: OfResult) -> Check:
    """A check on the result: missing where there is none."""

    def run(situation: Situation) -> Evidence:
        if situation.result is None:
            return Evidence(MISSING, "no audit result was given")
        return check(situation.result, situation)

    return run


def laws_listed(situation: Situation) -> Evidence:
    system = situation.named
    if system is None or not system.jurisdictions or system.use is None:
        return Evidence(MISSING, "the spec names no use, or no jurisdictions")
    strange = [place for place in system.jurisdictions if not situation.registry.knows(place)]
    if strange:
        return Evidence(UNCLEAR, f"the registry has no law of: {', '.join(strange)}")
    groups: dict[str, bool] = {}
    for place in system.jurisdictions:
        for group in situation.registry.search(jurisdiction=place):
            if system.use in group[0].uses or "any" in group[0].uses:
                groups[group[0].scheme] = standing(usual(group), situation.as_of).holds
    off = sum(not holds for holds in groups.values())
    places = ", ".join(system.jurisdictions)
    words = f"{len(groups)} instruments reach {places} for {system.use}; not in force: {off}"
    return Evidence(YES, words, value=len(groups))


def tier_agreed(situation: Situation) -> Evidence:
    tier = situation.tier
    if tier is None:
        return Evidence(MISSING, "there is no governance/tier.yaml")
    if tier.tier is None:
        return Evidence(MISSING, tier.words)
    declared = situation.named.tier if situation.named else None
    if declared is not None and declared < tier.tier:
        return Evidence(NO, f"the spec says tier {declared}, the answers give {tier.words}", value=tier.tier)
    if tier.agreed_by is None:
        return Evidence(MISSING, f"{tier.words}; nobody has agreed to it", value=tier.tier)
    return Evidence(YES, f"{tier.words}; agreed by {tier.agreed_by}", value=tier.tier)


def harm_themes(situation: Situation) -> Evidence:
    register = situation.register
    if register is None:
        return Evidence(MISSING, "there is no governance/harms.yaml")
    seen = {code.split(".")[0] for harm in register.harms for code in harm.taxonomy}
    seen |= {nothing.theme for nothing in register.nothing}
    themes = list(dict.fromkeys(kind.theme for kind in load_kinds()))
    left = [theme for theme in themes if theme not in seen]
    if left:
        return Evidence(
            MISSING, f"not looked at: {', '.join(left)}", value=len(themes) - len(left), n=len(themes)
        )
    return Evidence(
        YES, f"all {len(themes)} themes have a row or a reasoned none", value=len(themes), n=len(themes)
    )


def _unsearched(register: Register) -> bool:
    """No rows say nothing where nobody looked."""
    themes = {kind.theme for kind in load_kinds()}
    return not register.harms and themes != {nothing.theme for nothing in register.nothing}


def harms_scored(situation: Situation) -> Evidence:
    register = situation.register
    if register is None:
        return Evidence(MISSING, "there is no governance/harms.yaml")
    if _unsearched(register):
        return Evidence(MISSING, "the register is empty, and not every theme has a reasoned none")
    bare = [harm.id for harm in register.harms if harm.inherent is None]
    if bare:
        return Evidence(
            MISSING, f"without a full rating: {', '.join(bare[:5])}", value=len(bare), n=len(register.harms)
        )
    return Evidence(YES, f"all {len(register.harms)} rows are rated", n=len(register.harms))


def harms_within_tolerance(situation: Situation) -> Evidence:
    register = situation.register
    if register is None:
        return Evidence(MISSING, "there is no governance/harms.yaml")
    if _unsearched(register):
        return Evidence(MISSING, "the register is empty, and not every theme has a reasoned none")
    grave = register.beyond_tolerance(situation.as_of)
    if grave:
        names = ", ".join(harm.id for harm in grave[:5])
        return Evidence(NO, f"above {register.tolerance}, open and not accepted: {names}", value=len(grave))
    return Evidence(YES, f"no open row is above {register.tolerance}", n=len(register.harms))


def actions_verified(situation: Situation) -> Evidence:
    register = situation.register
    if register is None:
        return Evidence(MISSING, "there is no governance/harms.yaml")
    critical = [action for action in register.actions if action.critical]
    left = [a for a in critical if a.status not in ("verified", "cancelled", "superseded")]
    if left:
        words = f"critical and not verified: {', '.join(f'{a.id} ({a.status})' for a in left[:5])}"
        return Evidence(NO, words, value=len(left), n=len(critical))
    return Evidence(YES, f"{len(critical)} critical actions, all verified or dropped", n=len(critical))


def no_side_effects(situation: Situation) -> Evidence:
    register = situation.register
    if register is None:
        return Evidence(MISSING, "there is no governance/harms.yaml")
    made = [action for action in register.actions if action.status in ("implemented", "verified")]
    for action in made:
        for side in action.side_effects:
            if side.over:
                words = f"{action.id}: {side.metric} of {side.group} may be worse by {-side.effect.low:g}"
                return Evidence(
                    NO, words, side.metric, side.group, side.effect.delta, side.effect.low, side.effect.high
                )
    silent = [
        a.id for a in made if a.type in ("data", "feature", "model", "threshold") and not a.side_effects
    ]
    if silent:
        return Evidence(MISSING, f"side effects not measured: {', '.join(silent[:5])}", n=len(made))
    return Evidence(YES, f"{len(made)} actions made, no worsening beyond its limit", n=len(made))


def signed_for_tier(situation: Situation) -> Evidence:
    level = situation.level
    if level is None:
        return Evidence(MISSING, "the tier is not known, so neither is who has to sign")
    if situation.bundle_id is None:
        return Evidence(MISSING, "no bundle was given")
    lacking = signoff.missing(situation.signed, load_questionnaire().duties.get(level, {}))
    if lacking:
        return Evidence(MISSING, f"tier {level} lacks: {', '.join(lacking)}", bundle=situation.bundle_id)
    return Evidence(YES, f"everyone whom tier {level} asks for has signed", bundle=situation.bundle_id)


def reaudit_triggers(situation: Situation) -> Evidence:
    facts = situation.facts
    if facts.reaudit_every_days is None or not facts.reaudit_on:
        return Evidence(MISSING, "facts.yaml does not say when to audit again")
    words = f"after {facts.reaudit_every_days} days, or on a change of {', '.join(facts.reaudit_on)}"
    return Evidence(YES, words, value=facts.reaudit_every_days)


def retention_stated(situation: Situation) -> Evidence:
    years = situation.facts.retention_years
    if years is None:
        return Evidence(MISSING, "facts.yaml does not say how long records are kept")
    return Evidence(YES, f"records are kept for {years:g} years", value=years)


_PROJECT: tuple[Check, ...] = (
    laws_listed,
    tier_agreed,
    harm_themes,
    harms_scored,
    harms_within_tolerance,
    actions_verified,
    no_side_effects,
    signed_for_tier,
    reaudit_triggers,
    retention_stated,
)
CHECKS: dict[str, Check] = {
    **{check.__name__: check for check in _PROJECT},
    **{check.__name__: _of_result(check) for check in RESULT_CHECKS},
}
"""Every check by the name that a checklist uses."""

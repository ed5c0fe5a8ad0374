"""The remedies as data: what each is, what it asks for, what the law may say of it, how it is made."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

from audit.errors import UsageError
from audit.mitigation.base import Remedy, Setting
from audit.registry import nearest

LEGAL = {
    "thresholds": (
        "Decides by a rule that differs by group. In US employment and credit this can itself be disparate "
        "treatment (Title VII, ECOA); elsewhere it needs a legal basis. Ask counsel before use."
    ),
    "attribute": (
        "Reads the protected attribute when it decides. It must be lawful to collect and to use it for that "
        "(ECOA and Regulation B limit it in US credit; GDPR Article 9 for special categories in the EU)."
    ),
}
"""What to ask a lawyer about, by kind; no legal advice."""
RETRAIN = "retrain"
"""What a remedy that fits the model again is measured against, so that credit goes where it is due."""


@dataclass(frozen=True)
class Method:
    """One remedy: fixed facts, and how it is made for a setting."""

    name: str
    title: str
    library: str
    """`harm-audit`, `fairlearn` or `aif360`."""
    stage: str
    """data, features, training or decisions: what it changes."""
    action: str
    """The type that an action of the plan has: data, feature, model or threshold."""
    does: str
    made_by: tuple[str, str]
    """Module and class."""
    options: dict[str, Any] = field(default_factory=dict)
    needs_attribute_at_decision: bool = False
    group_specific_thresholds: bool = False
    usual: bool = True
    """Tried where none is named."""

    @property
    def legal_note(self) -> str | None:
        """What to ask a lawyer about; None where nothing in its making asks for it."""
        if self.group_specific_thresholds:
            return LEGAL["thresholds"]
        return LEGAL["attribute"] if self.needs_attribute_at_decision else None

    def make(self, setting: Setting) -> Remedy:
        """The remedy, not yet fitted. ImportError where its library is not installed."""
        module, kind = self.made_by
        made: Remedy = getattr(importlib.import_module(module), kind)(setting, **self.options)
        return made


_OWN, _FAIR, _AIF = (f"audit.mitigation.{name}" for name in ("own", "with_fairlearn", "with_aif360"))


def _own(name: str, title: str, kind: str, stage: str, action: str, does: str, **more: Any) -> Method:
    return Method(name, title, "harm-audit", stage, action, does, (_OWN, kind), **more)


_BASE = (
    _own(RETRAIN, "Train again", "Retrain", "training", "model", "The same model on the same rows, again."),
    _own(
        "resample",
        "Targeted resampling",
        "Resample",
        "data",
        "data",
        "Draws the group's rows again until its share of positive labels is the others'.",
    ),
    _own(
        "group-weights",
        "Group weights",
        "GroupWeights",
        "training",
        "model",
        "Lets the group's rows count more while the model is fitted.",
    ),
    _own(
        "drop-proxies",
        "Leave out proxies",
        "DropProxies",
        "features",
        "feature",
        "Leaves out the features that best tell the group apart.",
    ),
    _own(
        "centre-proxies",
        "Centre proxies",
        "CentreProxies",
        "features",
        "feature",
        "Takes each group's mean from the features that tell it apart.",
        needs_attribute_at_decision=True,
    ),
    _own(
        "one-threshold",
        "Move the threshold for all",
        "OneThreshold",
        "decisions",
        "threshold",
        "One threshold for everyone, where the gap is smallest at little cost.",
    ),
    _own(
        "fine-tune",
        "Fine-tune for the group",
        "FineTune",
        "training",
        "model",
        "Trains on everyone, then tunes on the group's rows and uses that for the group: its output "
        "parameters, or all where there are ten rows a parameter.",
        needs_attribute_at_decision=True,
        group_specific_thresholds=True,
    ),
    Method(
        "threshold-optimizer",
        "A threshold a group",
        "fairlearn",
        "decisions",
        "threshold",
        "Chooses a threshold for each group so that the rate is equal.",
        (_FAIR, "Thresholds"),
        needs_attribute_at_decision=True,
        group_specific_thresholds=True,
    ),
    Method(
        "correlation-remover",
        "Remove correlation",
        "fairlearn",
        "features",
        "feature",
        "Takes from each feature what is linear in the group.",
        (_FAIR, "Decorrelated"),
        needs_attribute_at_decision=True,
    ),
    Method(
        "prototypes",
        "Prototype representation",
        "fairlearn",
        "features",
        "feature",
        "Describes rows by a few prototypes that all groups are equally near to.",
        (_FAIR, "Prototypes"),
    ),
    Method(
        "reweighing",
        "Reweighing",
        "aif360",
        "data",
        "data",
        "Weighs rows so that group and label are independent.",
        (_AIF, "Reweighed"),
    ),
    *(
        Method(
            name,
            title,
            "aif360",
            "training",
            "model",
            does,
            (_AIF, "Learned"),
            {"method": name},
            needs_attribute_at_decision=reads,
        )
        for name, title, does, reads in (
            ("lfr", "Learned representation", "Learns a representation that hides the group.", True),
            ("prejudice-remover", "Prejudice remover", "Adds a penalty for dependence on the group.", True),
            ("gerryfair", "GerryFair", "Plays against an auditor who looks for harmed subgroups.", True),
        )
    ),
    Method(
        "impact-remover",
        "Disparate impact remover",
        "aif360",
        "features",
        "feature",
        "Moves each feature's distribution to the same in both groups.",
        (_AIF, "Repaired"),
        needs_attribute_at_decision=True,
    ),
    *(
        Method(
            name,
            title,
            "aif360",
            "decisions",
            "threshold",
            does,
            (_AIF, "Adjusted"),
            {"method": name},
            needs_attribute_at_decision=True,
            group_specific_thresholds=True,
        )
        for name, title, does in (
            (
                "eq-odds",
                "Equalized odds",
                "Changes some decisions at random, by group, until odds are equal.",
            ),
            (
                "calibrated-eq-odds",
                "Calibrated equalized odds",
                "Changes some scores at random, by group, and keeps them calibrated.",
            ),
            ("reject-option", "Reject option", "Turns decisions near the threshold in the group's favour."),
        )
    ),
)
_MOMENTS = (
    "demographic-parity",
    "equalized-odds",
    "true-positive-rate",
    "false-positive-rate",
    "error-rate",
    "bounded-group-loss",
)


def _reduction(search: str, moment: str) -> Method:
    gradient = search == "gradient"
    return Method(
        f"{'gradient' if gradient else 'grid'}-{moment}",
        f"{'Exponentiated gradient' if gradient else 'Grid search'}, {moment.replace('-', ' ')}",
        "fairlearn",
        "training",
        "model",
        f"Fits the model again and again with costs that pull {moment.replace('-', ' ')} together.",
        (_FAIR, "Reduction"),
        {"search": search, "moment": moment},
        usual=False,
    )


METHODS = {
    one.name: one
    for one in (
        *_BASE,
        *(_reduction(search, moment) for search in ("gradient", "grid") for moment in _MOMENTS),
    )
}
"""Every remedy by name."""


def usual(moment: str) -> tuple[str, ...]:
    """The remedies that are tried where none is named; of the reductions those of the rule's own moment.

    >>> usual("error-rate")[0], "grid-error-rate" in usual("error-rate"), "grid-equalized-odds" in usual("")
    ('retrain', True, False)
    """
    return tuple(
        name for name, one in METHODS.items() if one.usual or name in (f"gradient-{moment}", f"grid-{moment}")
    )


def method(name: str) -> Method:
    """The remedy called `name`; a UsageError names the nearest."""
    if name in METHODS:
        return METHODS[name]
    near = nearest(name, METHODS)
    raise UsageError(
        f"no remedy is called {name!r}",
        where="--candidate",
        hint=f"Did you mean {near}?" if near else f"There are: {', '.join(METHODS)}.",
    )

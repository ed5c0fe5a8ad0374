"""Remedies of this project: other rows, other weights, other features, another threshold, fine-tuning."""

from __future__ import annotations

from audit.mitigation.own.fitting import Chosen, GroupWeights, OneThreshold, Resample, Retrain, inner_gap
from audit.mitigation.own.proxies import CentreProxies, DropProxies, proxies
from audit.mitigation.own.tuning import FineTune

__all__ = [
    "CentreProxies",
    "Chosen",
    "DropProxies",
    "FineTune",
    "GroupWeights",
    "OneThreshold",
    "Resample",
    "Retrain",
    "inner_gap",
    "proxies",
]

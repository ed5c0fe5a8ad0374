"""`audit.yaml`: what is audited, on which data, by which policy; every error with file and line."""

from __future__ import annotations

from audit.spec.load import AuditSpec, from_dict, load, resolve_rules
from audit.spec.model import Attribute, Columns, Data, Join, System
from audit.spec.policy import Policy, RuleSpec, WaiverSpec
from audit.spec.problems import CollectedSpecError
from audit.spec.schema import spec_schema
from audit.spec.secrets import redact
from audit.spec.table import of_table

__all__ = [
    "Attribute",
    "AuditSpec",
    "CollectedSpecError",
    "Columns",
    "Data",
    "Join",
    "Policy",
    "RuleSpec",
    "System",
    "WaiverSpec",
    "from_dict",
    "load",
    "of_table",
    "redact",
    "resolve_rules",
    "spec_schema",
]

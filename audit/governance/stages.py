"""The stages of a system's life, in order: a question is due by one, a gate lets one pass."""

from __future__ import annotations

STAGES = ("frame", "design", "build", "test", "launch", "operate", "retire")

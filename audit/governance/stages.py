"""The stages of a system's life, in order: a question is due by one, a gate lets one pass."""

from __future__ import annotations

FOLDER = "governance"
"""The folder of a project that holds answers, harms, facts and sign-offs."""
STAGES = ("frame", "design", "build", "test", "launch", "operate", "retire")

"""Audit a model that decides about people: disparities, with evidence, before and after release."""

from __future__ import annotations

__version__ = "0.1.0"

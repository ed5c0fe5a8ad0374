"""Audit a model that decides about people: disparities, with evidence, before and after release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.api import Audit, audit, run

__version__ = "0.1.0"
__all__ = ["Audit", "__version__", "audit", "run"]


def __getattr__(name: str) -> Any:
    """The public names, loaded when they are used: the command line and the gate need none of them."""
    if name in __all__:
        import audit.api

        return getattr(audit.api, name)
    raise AttributeError(f"module 'audit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

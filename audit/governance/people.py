"""Whether two names are one person, as far as spelling tells."""

from __future__ import annotations

import unicodedata


def same(one: str | None, other: str | None) -> bool:
    """True where the names differ in nothing but case, spaces, accents or dots.

    >>> same("Ada  Lovelace", "ada lovelace")
    True
    >>> same(None, "Ada")
    False
    """
    return bool(one and other) and key(one or "") == key(other or "")


def key(name: str) -> str:
    """What is compared: letters and digits, folded."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in plain if letter.isalnum())

"""The monitor's whole statistical state: per stream and window a short list of integers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.errors import DataError


class Tables:
    """Count tables by stream and window; shards' tables add up, in any order, to the same bytes."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, tuple[int, ...]]] = {}

    def add(self, stream: str, window: int, counts: Sequence[int] | NDArray[np.int64]) -> None:
        """Adds the counts of one window; an all-zero table is the same as none."""
        new = tuple(int(n) for n in counts)
        if any(n < 0 for n in new):
            raise DataError(f"a count below 0 in the table of {stream!r}", where=f"window {window}")
        if not any(new):
            return
        windows = self._counts.setdefault(stream, {})
        old = windows.get(window, (0,) * len(new))
        if len(old) != len(new):
            raise DataError(
                f"the table of {stream!r} has {len(old)} cells here and {len(new)} there",
                hint="Tables of different policies or baselines cannot be added.",
            )
        windows[window] = tuple(a + b for a, b in zip(old, new, strict=True))

    def merge(self, others: Iterable[Tables]) -> Tables:
        """These tables and the others' added up."""
        total = Tables()
        for tables in (self, *others):
            for stream, windows in tables._counts.items():
                for window, counts in windows.items():
                    total.add(stream, window, counts)
        return total

    def streams(self) -> list[str]:
        return sorted(self._counts)

    def windows(self) -> list[int]:
        """Every window that holds a block of any stream, in order."""
        return sorted({window for windows in self._counts.values() for window in windows})

    def dense(self, streams: Sequence[str], windows: Sequence[int], cells: int) -> NDArray[np.int64]:
        """The counts as (windows, streams, cells); zero where there is no table."""
        place = {window: t for t, window in enumerate(windows)}
        out = np.zeros((len(windows), len(streams), cells), np.int64)
        for k, stream in enumerate(streams):
            for window, counts in self._counts.get(stream, {}).items():
                if window in place:
                    out[place[window], k] = counts
        return out

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal tables give equal bytes.

        >>> one, other = Tables(), Tables()
        >>> one.add("s", 3, [1, 0]); other.add("s", 3, [0, 2])
        >>> one.merge([other]).to_bytes() == other.merge([one]).to_bytes() == b'{"s":{"3":[1,2]}}'
        True
        """
        plain = {
            stream: {str(window): list(windows[window]) for window in sorted(windows)}
            for stream, windows in sorted(self._counts.items())
        }
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Tables:
        """What `to_bytes` wrote; anything else is a DataError."""
        made = cls()
        try:
            for stream, windows in json.loads(data).items():
                for window, counts in windows.items():
                    made.add(stream, int(window), counts)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"not a set of count tables: {error}") from error
        return made

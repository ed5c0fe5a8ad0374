"""The listing of every slice, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.analysis.divergence import divergence
from audit.analysis.rates import Rate
from audit.errors import DataError, UsageError
from benchmarks import slices as benchmark

SHARE = Rate("share", numerator="error")


def test_every_slice_is_listed_with_its_rate() -> None:
    frame, names = benchmark.no_signal(1)
    found = divergence(frame, SHARE, features=names[:3], min_support=0.02).set_index("slice")
    errors = frame["error"].astype(float)
    expected = {}
    for chosen in (["f0"], ["f1"], ["f2"], ["f0", "f1"], ["f0", "f2"], ["f1", "f2"], ["f0", "f1", "f2"]):
        for key, part in errors.groupby([frame[name] for name in chosen]):
            if len(part) >= 0.02 * len(frame):
                name = " and ".join(f"{n} = {v}" for n, v in zip(chosen, key, strict=True))
                expected[name] = (len(part), part.mean())
    assert set(found.index) == set(expected)
    for name, (rows, rate) in expected.items():
        assert found.loc[name, "rows"] == rows
        assert found.loc[name, "rate"] == pytest.approx(rate)
        assert found.loc[name, "divergence"] == pytest.approx(rate - errors.mean())
        spread = np.sqrt(errors.mean() * (1 - errors.mean()) / rows)
        assert found.loc[name, "score"] == pytest.approx((rate - errors.mean()) / spread)
        assert found.loc[name, "conditions"] == name.count(" = ")
    assert found["divergence"].is_monotonic_decreasing


def test_bad_input_gets_clear_words() -> None:
    frame, names = benchmark.no_signal(1)
    with pytest.raises(UsageError, match="support"):
        divergence(frame, SHARE, min_support=1.0)
    with pytest.raises(UsageError, match="depth"):
        divergence(frame, SHARE, max_depth=0)
    with pytest.raises(DataError, match="no row counts"):
        divergence(frame.assign(error=pd.array([None] * len(frame), dtype="boolean")), SHARE, features=names)

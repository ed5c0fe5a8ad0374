"""Evidence from count tables: betting e-processes, e-detectors and their ranking, with no state but integers.

An e-value is the wealth of a gambler who bets against a null hypothesis and starts with 1. Under
the null it stays under 1/α for ever with probability 1 − α (Ville), however often one looks. Every
bet here depends on the outcome of a block alone, so the logarithm of the wealth is a sum over a
small table that counts the blocks of each kind: tables of shards add up, and the order of arrival
does not matter.

Sums run cell by cell rather than through a matrix product, so that a table gives the same bytes
alone and among ten thousand.

Sources: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (JRSSB
2024); Chugg et al., Auditing fairness by betting (NeurIPS 2023); Shin, Ramdas and Rinaldo,
E-detectors (2022); Podkopaev and Ramdas, Tracking the risk of a deployed model (ICLR 2022); Wang
and Ramdas, False discovery rate control with e-values (JRSSB 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, logit
from scipy.stats import beta

Array = NDArray[np.float64]

LAMBDAS = (0.04, 0.08, 0.16, 0.32, 0.64)
"""The share of the wealth that is bet, a fixed grid: no bet depends on what was seen."""

DELTAS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Alternatives to a fixed rate, as distances on the logit scale, where no step can leave (0, 1)."""

SAFE_STAKE = 0.96
"""The largest share of the wealth that one block may take."""

SMALLEST_RATE = 1e-9

SIDES = ("above", "below")
OPPOSITE = {"above": "below", "below": "above"}


def scores(comparison: str, side: str, bound: ArrayLike, a: int, b: int) -> Array:
    """By how much a block of `a` rows of the group and `b` of the reference exceeds a bound.

    The cell (j, k), at index j·(b + 1) + k, is a block with j favourable outcomes in the group and
    k in the reference. `above` asks whether the group's rate is over the bound (difference:
    j/a − k/b − bound; ratio: j/a − bound·k/b), `below` whether it is under it; the null hypothesis
    is that the mean is at most 0. Shape: that of `bound` with one axis of cells added.

    >>> scores("difference", "above", 0.1, 1, 1).round(1).tolist()
    [-0.1, -1.1, 0.9, -0.1]
    """
    group = np.repeat(np.arange(a + 1), b + 1) / a
    reference = np.tile(np.arange(b + 1), a + 1) / b
    return signed_excess(comparison, side, np.asarray(bound, float)[..., None], group, reference)


def signed_excess(comparison: str, side: str, bound: Array, group: Array, reference: Array) -> Array:
    """The excess over the bound for rates that were seen, with the sign of the side."""
    excess = group - reference - bound if comparison == "difference" else group - bound * reference
    return excess if side == "above" else -excess


def stakes(comparison: str, side: str, bound: ArrayLike, *, boldest: bool = False) -> Array:
    """The bets λ for a bound: the grid, scaled down where one block could lose more than is owned.

    A block loses at most λ·(1 + bound) or λ·max(1, bound), so the wealth stays positive. `boldest`
    scales the grid up as well, to the most that is safe: means of many rows vary little. Shape:
    that of `bound` with one axis of bets added.
    """
    value = np.asarray(bound, float)
    if comparison == "difference":
        worst = 1 + (value if side == "above" else -value)
    else:
        worst = value if side == "above" else np.ones_like(value)
    scale = SAFE_STAKE / LAMBDAS[-1] / np.maximum(worst, SAFE_STAKE)
    if not boldest:
        scale = np.minimum(1.0, scale)
    return np.asarray(np.asarray(LAMBDAS) * scale[..., None])


def block_bets(comparison: str, side: str, bound: ArrayLike, a: int, b: int) -> Array:
    """ln(1 + λ·score): what each kind of block adds to each bet's logarithm, shape (…, cells, bets)."""
    lam = stakes(comparison, side, bound)[..., None, :]
    return np.asarray(np.log1p(lam * scores(comparison, side, bound, a, b)[..., None]))


def rate_bets(side: str, rate: ArrayLike) -> Array:
    """What one row adds against a fixed rate p₀, shape (…, 2, bets), cells (unfavourable, favourable).

    The alternatives are expit(logit p₀ ± δ). A rate that cannot be exceeded (`above` 1, `below`
    0) brings no evidence: the bets are 0.
    """
    value = np.asarray(rate, float)
    p0 = np.clip(value, SMALLEST_RATE, 1 - SMALLEST_RATE)[..., None]
    null = logit(p0)
    alternative = null + (1 if side == "above" else -1) * np.asarray(DELTAS)
    fails = log_expit(-alternative) - log_expit(-null)
    succeeds = log_expit(alternative) - log_expit(null)
    impossible = value >= 1 if side == "above" else value <= 0
    return np.where(impossible[..., None, None], 0.0, np.stack([fails, succeeds], axis=-2))


def log_increments(tables: ArrayLike, bets: Array) -> Array:
    """Σ over cells of count × bet: the logarithm of each bet's wealth, shape (…, bets).

    `tables` has cells as its last axis; `bets` broadcasts over the axes before it.
    """
    counts = np.asarray(tables)
    total = counts[..., 0, None] * bets[..., 0, :]
    for cell in range(1, counts.shape[-1]):
        total = total + counts[..., cell, None] * bets[..., cell, :]
    return np.asarray(total, float)


def window_increments(comparison: str, side: str, bound: ArrayLike, counts: ArrayLike) -> Array:
    """The same where a whole window is one block, for outcomes that vary by day more than chance does.

    `counts`: (…, 4), favourable and all rows of the group, favourable and all rows of the
    reference; (…, 2) for a comparison with a fixed rate. A window without rows adds nothing.
    """
    n = np.asarray(counts, float)
    value = np.asarray(bound, float)
    group = n[..., 0] / np.maximum(n[..., 1], 1)
    if comparison == "rate":
        comparison, reference, seen = "difference", np.zeros_like(group), n[..., 1] > 0
    else:
        reference = n[..., 2] / np.maximum(n[..., 3], 1)
        seen = (n[..., 1] > 0) & (n[..., 3] > 0)
    excess = signed_excess(comparison, side, value, group, reference)
    lam = stakes(comparison, side, value, boldest=True)
    return np.where(seen[..., None], np.log1p(lam * excess[..., None]), 0.0)


def mixture(log_wealth: ArrayLike) -> Array:
    """ln of the mean over the bets (the last axis).

    >>> float(mixture([0.0, 0.0]))
    0.0
    """
    logs = np.asarray(log_wealth, float)
    top = np.max(logs, axis=-1)
    base = np.where(np.isfinite(top), top, 0.0)
    total = np.zeros_like(base)
    for j in range(logs.shape[-1]):
        total = total + np.exp(logs[..., j] - base)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(total) - np.log(logs.shape[-1]) + base)


def both(above: ArrayLike, below: ArrayLike) -> Array:
    """ln of the mean of two wealths: evidence that one of two bounds is broken, without saying which."""
    return np.asarray(np.logaddexp(above, below) - np.log(2.0))


def detector(
    increments: ArrayLike, seen: ArrayLike, *, start: ArrayLike | None = None, form: str = "sr"
) -> tuple[Array, Array]:
    """The e-detector over windows, for a change that comes after a long clean time.

    `increments` (windows, …, bets) are the logarithms of each window's e-values, `seen` (windows,
    …) is False where a window had no block: such a window does not count as time. Shiryaev–Roberts:
    M ← (M + 1)·e; cusum: M ← max(M, 1)·e. Returns ln of the mixture after each window (windows, …)
    and the state (…, bets) to go on from. With no change the mean time to M ≥ A is at least A
    windows, and P(M ≥ A within t windows) ≤ t/A.
    """
    logs = np.asarray(increments, float)
    mask = np.asarray(seen, bool)
    state = np.full(logs.shape[1:], -np.inf) if start is None else np.array(start, float)
    path = np.empty(logs.shape[:-1])
    for t in range(logs.shape[0]):
        grown = np.logaddexp(state, 0.0) if form == "sr" else np.maximum(state, 0.0)
        state = np.where(mask[t][..., None], grown + logs[t], state)
        path[t] = mixture(state)
    return path, state


def since(increments: ArrayLike) -> NDArray[np.intp]:
    """The window from which the evidence is greatest: when the change most likely began.

    `increments` (windows, …, bets); the answer is an index of a window, shape (…).
    """
    logs = np.asarray(increments, float)
    tail = np.cumsum(logs[::-1], axis=0)[::-1]
    return np.asarray(np.argmax(mixture(tail), axis=0))


def alarm_line(mean_run: float, weight: ArrayLike) -> Array:
    """ln(A / w): where a detector of a stream with weight w raises an alarm.

    While the weights of all streams, those that appear later included, sum to at most 1, the
    chance of any false alarm within t windows is at most t/A for all together.
    """
    return np.asarray(np.log(mean_run) - np.log(np.asarray(weight, float)))


def e_bh(log_e: ArrayLike, level: float) -> NDArray[np.bool_]:
    """The streams that e-BH lists at a false discovery rate of `level`: a ranking, not an alarm.

    With e in falling order, the k largest where k is the last with k·e₍ₖ₎/m ≥ 1/level. Valid at
    one time under any dependence; not for maxima over time.

    >>> e_bh([10.0, -1.0, 3.5], 0.05).tolist()
    [True, False, True]
    """
    logs = np.asarray(log_e, float)
    if logs.size == 0:
        return np.zeros(0, bool)
    order = np.argsort(-logs, kind="stable")
    rank = np.arange(1, logs.size + 1)
    enough = np.flatnonzero(logs[order] + np.log(rank) >= np.log(logs.size) - np.log(level))
    listed = np.zeros(logs.size, bool)
    if enough.size:
        listed[order[: enough[-1] + 1]] = True
    return listed


def rate_limits(successes: ArrayLike, rows: ArrayLike, level: ArrayLike) -> tuple[Array, Array]:
    """One-sided Clopper–Pearson limits (low, high), each wrong with probability at most `level`.

    They carry the sampling error of a baseline: live rows are tested against them, never against
    the baseline's point. Without rows they are 0 and 1.

    >>> low, high = rate_limits(0, 100, 0.05)
    >>> float(low), round(float(high), 4)
    (0.0, 0.0295)
    """
    s, n = np.asarray(successes, float), np.asarray(rows, float)
    alpha: Any = np.asarray(level, float)
    low = np.where(s > 0, beta.ppf(alpha, np.maximum(s, 1), n - s + 1), 0.0)
    high = np.where(s < n, beta.ppf(1 - alpha, s + 1, np.maximum(n - s, 1)), 1.0)
    return low, high

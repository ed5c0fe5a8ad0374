"""Beside scikit-learn: a scorer that knows the policy's rule, and a report by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import audit
from audit.errors import DataError, UsageError
from audit.result import Comparison, Rule, group_name

if TYPE_CHECKING:
    from audit import Audit

RATES = (
    "base_rate",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
    "accuracy",
)
SCORES = ("margin", "evidence")


@dataclass(frozen=True)
class AuditScorer:
    """`scorer(estimator, X, y)`: how far inside a rule's band the worst group lies; below 0 it is outside."""

    rule: str | Mapping[str, Any]
    sensitive: str | Sequence[str] | pd.DataFrame | pd.Series[Any]
    by: str
    positive: Any
    options: Mapping[str, Any]

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """The margin; NaN, with which scikit-learn ranks a candidate last, where it is undefined."""
        features = self._features(X)
        predictions = estimator.predict(X)
        done = _audited(y, predictions, features, [self.rule], self.positive, self.options)
        bands = {rule.id: rule for rule in done.result.policy.rules}
        counted = [made for made in done.result.comparisons if not made.reported_only]
        margins = [_margin(made, bands[made.rule], self.by) for made in counted]
        known = [margin for margin in margins if margin is not None]
        return min(known) if known and len(known) == len(margins) else float("nan")

    def _features(self, X: Any) -> pd.DataFrame:
        if isinstance(self.sensitive, (pd.DataFrame, pd.Series)):
            if not hasattr(X, "index"):
                raise UsageError("the features are no frame, so their rows cannot be found in `sensitive`")
            missing = X.index.difference(self.sensitive.index)
            if len(missing):
                raise DataError(
                    f"{len(missing):,} rows are not in `sensitive`", hint="Give it X's own index."
                )
            return pd.DataFrame(self.sensitive.loc[X.index])
        names = [self.sensitive] if isinstance(self.sensitive, str) else list(self.sensitive)
        lacking = [name for name in names if name not in getattr(X, "columns", ())]
        if lacking:
            raise UsageError(
                f"the features have no column {lacking[0]!r}",
                hint="Pass `sensitive` as a frame with the index of X where the model must not see it.",
            )
        return pd.DataFrame({name: np.asarray(X[name]) for name in names})


def make_audit_scorer(
    rule: str | Mapping[str, Any],
    *,
    sensitive: str | Sequence[str] | pd.DataFrame | pd.Series[Any],
    by: str = "margin",
    positive: Any = 1,
    **options: Any,
) -> AuditScorer:
    """A scorer for `GridSearchCV(scoring=…)`, greater is better, 0 is the bound.

    `rule` is as in the policy file. `sensitive` names columns of X, or is a frame that shares X's index, for
    models that must not see it. With by="margin" the score is the worst group's estimate; with by="evidence"
    the end of its interval at the level of a pass, so that a score of 0 or more is a pass. Choosing among
    many candidates by this score spends the same rows again: audit the chosen one on rows that no
    candidate saw.
    `options` are those of `audit.audit`, as outcome or min_group.
    """
    if by not in SCORES:
        raise UsageError(f"by is {by!r}", hint=f"Allowed: {', '.join(SCORES)}.")
    return AuditScorer(rule, sensitive, by, positive, options)


def best_within(score: str, margins: Sequence[str]) -> Callable[[Mapping[str, Any]], int]:
    """A `refit=` for GridSearchCV: of the candidates whose margins are all 0 or more, the best by `score`.

    A DataError where no candidate is within: then none is to be chosen.
    """

    def choose(results: Mapping[str, Any]) -> int:
        within = np.all([np.asarray(results[f"mean_test_{name}"]) >= 0 for name in margins], axis=0)
        scores = np.where(within, np.asarray(results[f"mean_test_{score}"], dtype=float), np.nan)
        if not margins or np.isnan(scores).all():
            raise DataError(
                f"no candidate lies within the bounds of {', '.join(margins) or 'no rule'}",
                hint="Search wider, or mend the data; `harm-audit explain` says what the metric sees.",
            )
        return int(np.nanargmax(scores))

    return choose


@dataclass(frozen=True)
class AuditReport:
    """What `classification_report` says of classes, said of groups: rates, rows, and the verdict."""

    audit: Audit
    digits: int = 3

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        sensitive: Any,
        rules: Sequence[Any] = (),
        positive: Any = 1,
        digits: int = 3,
        **options: Any,
    ) -> AuditReport:
        """The report of predictions; `sensitive` is a series or a frame of the same length."""
        return cls(_audited(y_true, y_pred, _columns(sensitive), rules, positive, options), digits)

    def to_frame(self) -> pd.DataFrame:
        """A row a group, the rates of RATES and `rows`; undefined rates are missing."""
        wanted = [e for e in self.audit.result.estimates if e.metric in (*RATES, "count")]
        rows: dict[tuple[str, str], dict[str, float | None]] = {}
        for e in wanted:
            place = (" × ".join(e.grouping) or "everyone", group_name(e.group) if e.grouping else "")
            rows.setdefault(place, {})["rows" if e.metric == "count" else e.metric] = e.value
        index = pd.MultiIndex.from_tuples(rows, names=["attribute", "group"])
        table = pd.DataFrame(list(rows.values()), index=index)
        return table[[name for name in (*RATES, "rows") if name in table.columns]]

    def __str__(self) -> str:
        shown = self.to_frame().map(
            lambda value: "undefined" if pd.isna(value) else f"{value:.{self.digits}f}"
        )
        if "rows" in shown:
            shown["rows"] = [f"{value:,.0f}" for value in self.to_frame()["rows"]]
        lines = [shown.to_string(), "", f"{self.audit.verdict.value}:"]
        lines += [f"  {rule.verdict.value} ({rule.rule}): {rule.why}" for rule in self.audit.result.rules]
        if not self.audit.result.rules:
            lines.append("  no rules, so nothing was judged")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.audit._repr_html_()


def _audited(
    y_true: Any,
    y_pred: Any,
    features: pd.DataFrame,
    rules: Sequence[Any],
    positive: Any,
    options: Mapping[str, Any],
) -> Audit:
    taken = {"label", "prediction"} & set(features.columns)
    if taken:
        raise UsageError(f"a sensitive column is called {sorted(taken)[0]!r}", hint="Rename it.")
    lengths = {len(features), len(np.asarray(y_true)), len(np.asarray(y_pred))}
    if len(lengths) > 1:
        raise DataError("labels, predictions and sensitive columns differ in length")
    frame = features.reset_index(drop=True)
    frame["label"] = np.asarray(y_true)
    frame["prediction"] = np.asarray(y_pred)
    return audit.audit(
        frame,
        label="label",
        prediction="prediction",
        sensitive=[str(name) for name in features.columns],
        positive=positive,
        rules=rules,
        **options,
    )


def _columns(sensitive: Any) -> pd.DataFrame:
    if isinstance(sensitive, pd.DataFrame):
        return sensitive.rename(columns=str)
    named = sensitive if isinstance(sensitive, pd.Series) else pd.Series(np.asarray(sensitive))
    return pd.DataFrame({str(named.name if named.name is not None else "group"): np.asarray(named)})


def _margin(made: Comparison, rule: Rule, by: str) -> float | None:
    """The distance from the nearer bound, positive inside; None where the comparison is undefined."""
    low, high = (made.value, made.value) if by == "margin" else (made.pass_low, made.pass_high)
    if made.value is None or (by == "evidence" and made.blocked):
        return None
    parts = []
    if rule.lower is not None:
        parts.append(None if low is None else low - rule.lower)
    if rule.upper is not None:
        parts.append(None if high is None else rule.upper - high)
    return min(parts) if parts and None not in parts else None  # type: ignore[type-var]

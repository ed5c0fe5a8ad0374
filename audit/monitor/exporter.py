"""An evaluation as Prometheus metrics: bounded labels, no sample where nothing may or can be said.

Ratios run from 0 to 1, counters end in `_total`, times are seconds. A group smaller than the
policy's `suppress_below` has no sample and is counted in `harm_audit_groups_suppressed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import audit
from audit.monitor.alarms import KINDS
from audit.monitor.evaluation import Evaluation
from audit.monitor.judge import Assessment
from audit.monitor.readings import LAG_BUCKETS
from audit.result import Verdict, group_name

P = "harm_audit_"
SYSTEM = ("model", "model_version")
STREAM = (*SYSTEM, "metric", "attribute", "group")
AGAINST = (*STREAM, "rule", "reference", "comparison")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the service itself counted since it started."""

    refused: Mapping[str, int]
    """Requests refused, by status."""
    waiting: int
    """Events that are not yet written."""
    halves_dropped: int
    """Halves of KServe's log whose other half never came."""
    deliveries_failed: int = 0


def render(found: Evaluation | None, tallies: Mapping[str, int], traffic: Traffic | None = None) -> bytes:
    """The text that Prometheus reads; without an evaluation only what the ledger counted."""
    registry = CollectorRegistry()
    registry.register(_Families(_families(found, tallies, traffic)))
    return bytes(generate_latest(registry))


class _Families(Collector):
    def __init__(self, made: Iterable[Metric]) -> None:
        self.made = list(made)

    def collect(self) -> Iterable[Metric]:
        return self.made


def _families(
    found: Evaluation | None, tallies: Mapping[str, int], traffic: Traffic | None
) -> Iterator[Metric]:
    build = GaugeMetricFamily(P + "build_info", "Version of the monitor.", labels=("version", "revision"))
    build.add_metric((audit.__version__, ""), 1)
    yield build
    yield from _ledger(tallies, "" if found is None else found.frozen.result.system.name)
    if traffic is not None:
        yield from _traffic(traffic)
    if found is not None:
        yield from _streams(found)
        yield from _alarms(found)
        yield from _labels(found)
        yield from _scores(found)
        yield from _evaluation(found)


def _ledger(tallies: Mapping[str, int], model: str) -> Iterator[Metric]:
    received = CounterMetricFamily(
        P + "events", "Events received, by what became of them.", labels=("model", "outcome")
    )
    rejected = {k.partition(".")[2]: n for k, n in tallies.items() if k.startswith("rejected.")}
    for outcome in ("accepted", "duplicate"):
        received.add_metric((model, outcome), tallies.get(outcome, 0))
    received.add_metric((model, "rejected"), sum(rejected.values()))
    yield received
    refused = CounterMetricFamily(P + "events_rejected", "Events refused, by reason.", labels=("reason",))
    for reason, n in sorted(rejected.items()):
        refused.add_metric((reason,), n)
    yield refused
    yield CounterMetricFamily(P + "labels", "Labels and corrections kept.", value=tallies.get("labels", 0))
    late = CounterMetricFamily(
        P + "late", "Events that came after their window was closed.", labels=("kind",)
    )
    for kind in ("predictions", "labels"):
        late.add_metric((kind,), tallies.get(f"late.{kind}", 0))
    yield late
    yield CounterMetricFamily(
        P + "versions_unnamed",
        "Predictions kept without the name of their model version, for there were too many names.",
        value=tallies.get("versions_unnamed", 0),
    )
    # A gauge: a prediction that comes after its label takes one off.
    yield GaugeMetricFamily(
        P + "labels_unmatched",
        "Labels whose prediction has not come.",
        value=tallies.get("labels.unmatched", 0),
    )


def _traffic(traffic: Traffic) -> Iterator[Metric]:
    refused = CounterMetricFamily(P + "requests_refused", "Requests refused, by status.", labels=("status",))
    for status, n in sorted(traffic.refused.items()):
        refused.add_metric((status,), n)
    yield refused
    yield GaugeMetricFamily(P + "events_waiting", "Events not yet written.", value=traffic.waiting)
    yield CounterMetricFamily(
        P + "halves_dropped", "Requests or responses without the other half.", value=traffic.halves_dropped
    )
    yield GaugeMetricFamily(
        P + "deliveries_failed", "Messages to sinks that were given up.", value=traffic.deliveries_failed
    )


def _streams(found: Evaluation) -> Iterator[Metric]:
    value, low, high = (
        GaugeMetricFamily(f"{P}group_rate{end}_ratio", words, labels=STREAM)
        for end, words in (
            ("", "Rate of a group since the release."),
            ("_lower", "Lower limit of its confidence sequence."),
            ("_upper", "Upper limit of its confidence sequence."),
        )
    )
    gap = GaugeMetricFamily(P + "disparity", "Difference, ratio or distance of a group.", labels=AGAINST)
    evidence = GaugeMetricFamily(
        P + "evidence_log", "Natural logarithm of the alarm detector.", labels=AGAINST
    )
    line = GaugeMetricFamily(P + "alarm_line_log", "Where the detector raises an alarm.", labels=AGAINST)
    active = GaugeMetricFamily(
        P + "alarm_active", "1 while a stream has an alarm that is not closed.", labels=(*AGAINST, "severity")
    )
    burning = {a.subject: a for a in found.alarms if not a.closed}
    hidden = set()
    for one in found.assessments:
        names, stream = labels_of(one, found), one.stream
        alarm = burning.get(stream.id)
        active.add_metric((*names, stream.severity), float(alarm is not None))
        if suppressed(one, found):
            hidden.add((stream.attribute, stream.group))
            continue
        line.add_metric(names, one.line)
        if one.log_detector is not None and one.log_detector > -1e300:
            evidence.add_metric(names, one.log_detector)
        if one.value is None or stream.id in found.unknowable:
            continue
        if stream.reference != "baseline" or stream.centres:
            if stream.compared != "rate":
                gap.add_metric(names, one.value)
            continue
        value.add_metric(names[:5], one.value)
        if one.low is not None and one.high is not None:
            low.add_metric(names[:5], one.low)
            high.add_metric(names[:5], one.high)
    yield from (value, low, high, gap, evidence, line, active)
    yield GaugeMetricFamily(
        P + "groups_suppressed", "Groups too small to be shown by the policy.", value=len(hidden)
    )
    yield GaugeMetricFamily(
        P + "groups_not_watched", "Groups beyond the limit of new ones.", value=found.not_watched_groups
    )


def labels_of(one: Assessment, found: Evaluation) -> tuple[str, ...]:
    """The values of the labels AGAINST."""
    system, stream = found.frozen.result.system, one.stream
    return (
        system.name,
        system.version or "",
        stream.metric,
        stream.attribute,
        group_name((stream.group,)),
        stream.rule,
        stream.reference,
        stream.compared,
    )


def suppressed(one: Assessment, found: Evaluation) -> bool:
    """Whether the policy hides a group for its size."""
    least = found.frozen.result.policy.suppress_below
    if least is None:
        return False
    return one.rows < least or (one.stream.comparison != "rate" and one.reference_rows < least)


def _alarms(found: Evaluation) -> Iterator[Metric]:
    total = CounterMetricFamily(P + "alarms", "Alarms ever opened, by kind.", labels=("kind",))
    for kind in KINDS:
        total.add_metric((kind,), sum(alarm.kind == kind for alarm in found.alarms))
    yield total
    states = GaugeMetricFamily(P + "alarms_by_state", "Alarms that are not closed.", labels=("kind", "state"))
    for kind in KINDS:
        for state in ("open", "acknowledged", "waived"):
            n = sum(a.kind == kind and a.state(found.at) == state for a in found.alarms)
            states.add_metric((kind, state), n)
    yield states


def _labels(found: Evaluation) -> Iterator[Metric]:
    share = GaugeMetricFamily(
        P + "label_coverage_ratio",
        "Share of rows past the label lag that have a label.",
        labels=(*SYSTEM, "attribute", "group"),
    )
    system, least = found.frozen.result.system, found.frozen.result.policy.suppress_below or 0
    counts: dict[tuple[str, str | None], tuple[int, int]] = {}
    for one in found.coverage:
        rows, labelled = counts.get((one.attribute, one.group), (0, 0))
        counts[(one.attribute, one.group)] = (rows + one.rows, labelled + one.labelled)
    for (attribute, group), (rows, labelled) in counts.items():
        if rows and rows >= least:
            names = (system.name, system.version or "", attribute, group_name((group,)))
            share.add_metric(names, labelled / rows)
    yield share
    total = [sum(column) for column in zip(*found.lags.values(), strict=True)]
    if total:
        lag = HistogramMetricFamily(P + "label_lag_seconds", "Time from a prediction to its first label.")
        edges = [str(float(edge)) for edge in LAG_BUCKETS] + ["+Inf"]
        running = [sum(total[: i + 1]) for i in range(len(total))]
        # The ledger keeps buckets, not the sum of lags.
        lag.add_metric((), list(zip(edges, running, strict=True)), sum_value=None)
        yield lag


def _scores(found: Evaluation) -> Iterator[Metric]:
    if found.frozen.scores is None:
        return
    names = (*SYSTEM, "attribute", "group")
    share = GaugeMetricFamily(
        P + "score_above_cut_ratio", "Share of a group's scores that reach a cut.", labels=(*names, "cut")
    )
    scored = GaugeMetricFamily(P + "rows_with_score", "Rows of a group with a score.", labels=names)
    without = GaugeMetricFamily(P + "rows_without_score", "Rows of a group without a score.", labels=names)
    system, least = found.frozen.result.system, found.frozen.result.policy.suppress_below or 0
    for one in found.scores:
        if one.rows + one.unscored < least:
            continue
        labels = (system.name, system.version or "", one.attribute, one.name)
        scored.add_metric(labels, one.rows)
        without.add_metric(labels, one.unscored)
        for cut, above in zip(found.frozen.scores.cuts, one.above, strict=False):
            share.add_metric((*labels, f"{cut:.6g}"), above)
    yield from (share, scored, without)


def _evaluation(found: Evaluation) -> Iterator[Metric]:
    verdict = GaugeMetricFamily(P + "verdict_info", "1 at the verdict in force.", labels=("verdict",))
    for each in Verdict:
        verdict.add_metric((each.value,), float(each is found.verdict))
    yield verdict
    yield GaugeMetricFamily(
        P + "last_evaluation_timestamp_seconds", "When it was last evaluated.", value=found.at
    )
    yield GaugeMetricFamily(P + "evaluation_duration_seconds", "How long that took.", value=found.seconds)
    if found.last_event is not None:
        end = (found.last_event + 1) * found.settings.window
        yield GaugeMetricFamily(
            P + "last_event_window_timestamp_seconds", "End of the newest window with an event.", value=end
        )

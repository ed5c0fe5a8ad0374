"""The pytest plugin: each rule of audit.yaml is a test, decided as the gate decides.

It is loaded with every pytest of its environment, so it stands on pytest alone until a test uses it:
`@pytest.mark.audit("audit.yaml")` on a function makes one item for each rule and one for the whole decision,
and the fixture `fairness` has `assert_rule(...)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from audit.integrations.policy_tests import Fairness, Standing

MARKER = "audit"
PARAMETER = "audit_rule"
VERDICT, HANDLED, WHY = "audit_verdict", "audit_on_inconclusive", "audit_why"
"""The properties of a test's report; they travel with it through xdist and into JUnit XML."""
UNDECIDED = "inconclusive"
_waved = pytest.StashKey[str]()
"""What an inconclusive test is reported as, once its body has passed: `warn` skips it."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for --strict-markers."""
    config.addinivalue_line(
        "markers",
        "audit(spec, on_inconclusive=None, stage='launch'): a test for each rule of the policy file, and one "
        "for the gate.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """An item for each rule of the marker's policy file, in the file's order, and one for the decision."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    names = _logic().rules_of(metafunc.definition, marker)
    if PARAMETER not in metafunc.fixturenames:
        metafunc.fixturenames.append(PARAMETER)
    metafunc.parametrize(PARAMETER, names, ids=names, indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a marked item that got no rule: it would pass without an audit."""
    if item.get_closest_marker(MARKER) is not None and _rule(item) is None:
        pytest.fail(f"@pytest.mark.{MARKER} works on test functions and on methods of plain classes", False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Decide on the item's rule before its body runs."""
    rule = _rule(pyfuncitem)
    if rule is not None:
        apply(pyfuncitem, _logic().standing_of(pyfuncitem, rule))
    return (yield)


def apply(item: pytest.Item, standing: Standing) -> None:
    """Note on the item's report what was decided, and fail where the gate would be shut."""
    note(item, standing)
    if not standing.opens:
        pytest.fail(standing.text, pytrace=False)


def note(item: pytest.Item, standing: Standing) -> None:
    """The verdict as properties of the item's report; of several in one test the worst is kept."""
    before = dict(item.user_properties).get(VERDICT)
    if before == "violation" or (before == UNDECIDED and standing.verdict == "pass"):
        return
    others = [pair for pair in item.user_properties if pair[0] not in (VERDICT, HANDLED, WHY)]
    item.user_properties[:] = others
    item.user_properties.append((VERDICT, standing.verdict.value))
    if standing.verdict == UNDECIDED:
        item.user_properties.append((HANDLED, standing.handled))
        item.stash[_waved] = standing.handled
    if standing.text:
        item.user_properties.append((WHY, standing.text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a test that passed on inconclusive evidence as skipped, where the policy says `warn`."""
    report = yield
    if report.when == "call" and report.passed and item.stash.get(_waved, None) == "warn":
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {dict(item.user_properties)[WHY]}")
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> Any:
    """`inconclusive` is an outcome of its own: it failed only where the policy says so."""
    found = _properties(report)
    if found.get(VERDICT) != UNDECIDED or getattr(report, "when", None) != "call":
        return None
    if not report.failed:
        return UNDECIDED, "?", ("INCONCLUSIVE", {"yellow": True})
    return ("failed", "?", ("INCONCLUSIVE", {"red": True})) if found.get(HANDLED) == "fail" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was inconclusive though nothing failed, and what is reported only."""
    shown = [*terminalreporter.stats.get(UNDECIDED, ()), *terminalreporter.stats.get("passed", ())]
    said = [(report.nodeid, why) for report in shown if (why := _properties(report).get(WHY))]
    if not said:
        return
    terminalreporter.section("audit: nothing failed, and this is not a pass")
    for name, why in said:
        terminalreporter.line(f"{name}\n  {why}")


@pytest.fixture
def audit_rule(request: pytest.FixtureRequest) -> Standing:
    """How the rule of this item stands: its id, verdict, words, and the whole audit."""
    node: Any = request.node
    if _rule(node) is None:
        pytest.fail(f"audit_rule needs @pytest.mark.{MARKER}", pytrace=False)
    standing: Standing = _logic().standing_of(node, _rule(node))
    return standing


@pytest.fixture
def fairness(request: pytest.FixtureRequest) -> Fairness:
    """Rules asserted in the body of a test: `fairness.assert_rule("four_fifths", frame, …)`."""
    node: Any = request.node
    made: Fairness = _logic().Fairness(node, note)
    return made


def _rule(item: pytest.Item) -> str | None:
    found = getattr(item, "callspec", None)
    if item.get_closest_marker(MARKER) is None or found is None:
        return None
    rule: str | None = found.params.get(PARAMETER)
    return rule


def _properties(report: pytest.CollectReport | pytest.TestReport) -> dict[str, Any]:
    return dict(getattr(report, "user_properties", ()))


def _logic() -> Any:
    return importlib.import_module("audit.integrations.policy_tests")

"""The pytest plugin: inert until used, an item a rule, inconclusive an outcome of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from audit.cli.main import main
from tests.architecture.modules import ROOT
from tests.architecture.test_imports import HEAVY
from tests.integrations.cases import RULES

pytest_plugins = ["pytester"]
Inner = Callable[..., pytest.RunResult]
Project = Callable[..., None]
MARKED = """
import pytest
@pytest.mark.audit("audit.yaml"{more})
def test_policy():
    {body}
"""
LOADED = """
import json, pathlib, sys
import pytest

class Look:
    def pytest_sessionfinish(self):
        self.modules = sorted(sys.modules)

pathlib.Path("test_plain.py").write_text("def test_plain(): assert True")
look = Look()
code = pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[look])
print(json.dumps([int(code), look.modules]))
"""


def marked(pytester: pytest.Pytester, more: str = "", body: str = "pass") -> None:
    pytester.makepyfile(MARKED.format(more=more, body=body))


def outcomes(done: pytest.RunResult) -> dict[str, int]:
    return done.parseoutcomes()


class TestInert:
    def test_the_entry_point_names_the_plugin(self) -> None:
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
        module = importlib.import_module(declared["pytest11"]["harm-audit"])
        assert {"pytest_generate_tests", "fairness", "audit_rule"} <= vars(module).keys()

    @pytest.mark.parametrize("on", [True, False])
    def test_pytest_with_the_plugin_loads_nothing_heavy(self, on: bool, tmp_path: Path) -> None:
        """Without other plugins, some of which load numpy; switched off it does not load at all."""
        options = ["-p", "audit.integrations.pytest_plugin"] if on else []
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-B", "-c", LOADED, *options],
            cwd=tmp_path,
            env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        code, modules = json.loads(done.stdout.splitlines()[-1])
        ours = {name for name in modules if name.partition(".")[0] == "audit"}
        wanted = {"audit", "audit.integrations", "audit.integrations.pytest_plugin"}
        assert (code, ours) == (0, wanted if on else set())
        assert not {name.partition(".")[0] for name in modules} & HEAVY

    def test_an_unmarked_test_is_as_ever(self, pytester: pytest.Pytester, inner: Inner) -> None:
        pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_n(n): assert n")
        done = inner("-rA")
        done.assert_outcomes(passed=2)
        assert "audit" not in done.stdout.str().partition("plugins:")[2].partition("\n")[2]


class TestMarker:
    def test_each_rule_is_an_item(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(20_000, 0.5, 0.5, rule=f"{RULES[0]}\n    - {RULES[1]}")
        marked(pytester)
        done = inner("-v")
        done.assert_outcomes(passed=3)
        said = done.stdout.str()
        assert all(f"test_policy[{name}] PASSED" in said for name in ("approval", "gap", "(gate)"))

    def test_one_rule_of_two_is_violated(
        self, pytester: pytest.Pytester, project: Project, inner: Inner
    ) -> None:
        lax = "{id: lax, metric: selection_rate, comparison: ratio, at_least: 0.2}"
        project(20_000, 0.5, 0.25, rule=f"{RULES[0]}\n    - {lax}")
        marked(pytester)
        done = inner("-v")
        done.assert_outcomes(passed=1, failed=2)
        said = done.stdout.str()
        assert "test_policy[lax] PASSED" in said
        assert "violation (approval): Selection rate ratio, m against f: 2" in said
        assert "Traceback" not in said

    @pytest.mark.parametrize(
        ("word", "expected", "code"),
        [("fail", {"failed": 2}, 1), ("warn", {"inconclusive": 2}, 0), ("pass", {"inconclusive": 2}, 0)],
    )
    @pytest.mark.parametrize("by_marker", [True, False])
    def test_inconclusive_by_policy_and_by_marker(
        self,
        word: str,
        expected: dict[str, int],
        code: int,
        by_marker: bool,
        pytester: pytest.Pytester,
        project: Project,
        inner: Inner,
    ) -> None:
        project(60, 0.5, 0.45, word="fail" if by_marker else word)
        marked(pytester, f", on_inconclusive={word!r}" if by_marker else "")
        done = inner("-v", "--junitxml=out.xml")
        assert (outcomes(done), done.ret) == (expected, code)
        assert done.stdout.str().count("] INCONCLUSIVE") == 2
        assert "more rows" in done.stdout.str()
        skipped = ET.parse(pytester.path / "out.xml").findall(".//skipped")
        assert len(skipped) == (2 if word == "warn" else 0)

    def test_the_body_can_still_fail(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(60, 0.5, 0.45, word="warn")
        marked(pytester, body="assert False")
        inner().assert_outcomes(failed=2)

    def test_the_body_sees_the_rule(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(20_000, 0.5, 0.5)
        pytester.makepyfile(
            """
            import pytest
            @pytest.mark.audit("audit.yaml")
            class TestPolicy:
                def test_policy(self, audit_rule):
                    assert audit_rule.rule in ("approval", "(gate)")
                    assert audit_rule.audit.result.data.rows_audited == 40_000
            """
        )
        inner().assert_outcomes(passed=2)

    def test_no_rules_do_not_pass(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(20_000, 0.5, 0.5)
        spec = pytester.path / "audit.yaml"
        spec.write_text(spec.read_text("utf-8").partition("  rules:")[0], "utf-8")
        marked(pytester)
        assert outcomes(inner()) == {"failed": 1}

    def test_minor_is_reported_and_does_not_fail(
        self, pytester: pytest.Pytester, project: Project, inner: Inner
    ) -> None:
        minor = RULES[1].replace("}", ", severity: minor}")
        project(20_000, 0.6, 0.49, rule=f"{RULES[0]}\n    - {minor}")
        marked(pytester)
        done = inner()
        done.assert_outcomes(passed=3)
        assert "violation, reported only (gap)" in done.stdout.str()

    def test_a_wrong_policy_is_a_collection_error(
        self, pytester: pytest.Pytester, project: Project, inner: Inner
    ) -> None:
        project(20_000, 0.5, 0.5, rule="{id: a, metric: selecton_rate, comparison: ratio, at_least: 0.8}")
        marked(pytester)
        done = inner()
        assert (outcomes(done), done.ret) == ({"errors": 1}, pytest.ExitCode.INTERRUPTED)
        assert "Did you mean selection_rate?" in done.stdout.str()
        assert "Traceback" not in done.stdout.str()

    @pytest.mark.parametrize(
        "marker",
        ["()", "('nowhere.yaml')", "('audit.yaml', 'ignore')", "(policy='x')", "('audit.yaml', stage='x')"],
    )
    def test_a_wrong_marker_is_a_collection_error(
        self, marker: str, pytester: pytest.Pytester, project: Project, inner: Inner
    ) -> None:
        project(20_000, 0.5, 0.5)
        pytester.makepyfile(f"import pytest\n@pytest.mark.audit{marker}\ndef test_policy(): pass")
        assert inner().ret == pytest.ExitCode.INTERRUPTED

    def test_a_unittest_method_does_not_pass_unaudited(
        self, pytester: pytest.Pytester, project: Project, inner: Inner
    ) -> None:
        project(20_000, 0.5, 0.1)
        pytester.makepyfile(
            """
            import unittest, pytest
            class Policy(unittest.TestCase):
                @pytest.mark.audit("audit.yaml")
                def test_policy(self): pass
            """
        )
        assert inner().ret == pytest.ExitCode.TESTS_FAILED

    @pytest.mark.parametrize("stage", ["frame", "launch"])
    def test_governance_counts_as_at_the_gate(
        self,
        stage: str,
        pytester: pytest.Pytester,
        project: Project,
        inner: Inner,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project(20_000, 0.5, 0.5)
        monkeypatch.chdir(pytester.path)
        assert main(["run", "--quiet"]) == 0
        (pytester.path / "governance").mkdir()
        marked(pytester, f", stage={stage!r}")
        assert main(["gate", "evidence", "--spec", "audit.yaml", "--stage", stage]) != 0
        assert outcomes(inner()) == {"passed": 1, "failed": 1}

    @pytest.mark.slow
    def test_under_xdist(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(60, 0.5, 0.45, word="warn", rule=f"{RULES[0]}\n    - {RULES[1]}")
        marked(pytester)
        alone = inner("-p", "no:xdist")
        shared = inner("-n", "2")
        assert outcomes(shared) == outcomes(alone) == {"inconclusive": 3}
        assert (shared.ret, alone.ret) == (0, 0)


FRAME = """
import pandas as pd
import pytest

def frame(n, women):
    chosen = round(n * women)
    sex = ["m"] * n + ["f"] * n
    return pd.DataFrame({"sex": sex, "approved": [1, 0] * (n // 2) + [1] * chosen + [0] * (n - chosen)})

RULE = {"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}
"""


class TestFixture:
    def test_a_rule_on_a_frame(self, pytester: pytest.Pytester, inner: Inner) -> None:
        pytester.makepyfile(
            FRAME
            + """
def test_pass(fairness):
    done = fairness.assert_rule(RULE, frame(4000, 0.5), sensitive="sex", prediction="approved")
    assert done.verdict.value == "pass"

def test_named(fairness):
    fairness.assert_rule("four_fifths", frame(4000, 0.5), sensitive="sex", prediction="approved")

def test_violation(fairness):
    with pytest.raises(AssertionError, match="violation .selection_rate."):
        fairness.assert_rule(RULE, frame(4000, 0.2), sensitive="sex", prediction="approved")

def test_shows_its_violation(fairness):
    fairness.assert_rule(RULE, frame(4000, 0.2), sensitive="sex", prediction="approved")

def test_inconclusive(fairness):
    fairness.assert_rule(RULE, frame(60, 0.45), sensitive="sex", prediction="approved")

def test_warn_does_not_hide_what_comes_after(fairness):
    few = frame(60, 0.45)
    fairness.assert_rule(RULE, few, sensitive="sex", prediction="approved", on_inconclusive="warn")
    fairness.assert_rule(RULE, frame(4000, 0.2), sensitive="sex", prediction="approved")

def test_warn(fairness):
    few = frame(60, 0.45)
    fairness.assert_rule(RULE, few, sensitive="sex", prediction="approved", on_inconclusive="warn")

def test_usage(fairness):
    fairness.assert_rule("four_fifth", frame(60, 0.45), sensitive="sex", prediction="approved")
"""
        )
        done = inner()
        assert outcomes(done) == {"passed": 3, "failed": 4, "inconclusive": 1}
        assert "Did you mean" in done.stdout.str()

    def test_a_rule_of_a_policy_file(self, pytester: pytest.Pytester, project: Project, inner: Inner) -> None:
        project(20_000, 0.5, 0.42, rule=f"{RULES[0]}\n    - {RULES[1].replace('0.1', '0.01')}")
        pytester.makepyfile(
            FRAME
            + """
def test_holds(fairness):
    fairness.assert_rule("approval", spec="audit.yaml")

def test_does_not(fairness):
    fairness.assert_rule("gap", spec="audit.yaml")

def test_on_other_rows(fairness):
    rows = pd.DataFrame({"sex": ["m", "m", "f", "f"], "approved": [1, 0, 1, 0], "people": [9000] * 4})
    fairness.assert_rule("approval", rows, spec="audit.yaml")

def test_no_such_rule(fairness):
    fairness.assert_rule("aproval", spec="audit.yaml")

def test_no_frame(fairness):
    fairness.assert_rule("approval")
"""
        )
        done = inner("-v")
        assert outcomes(done) == {"passed": 2, "failed": 3}
        assert "the policy has no rule 'aproval'" in done.stdout.str()

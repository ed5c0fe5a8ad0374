"""JUnit, SARIF and Markdown: exact text for a small result, and what their readers hold them to."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from audit.gate import Decision, decide
from audit.report import junit, markdown, sarif
from audit.result import AuditResult, Verdict
from tests.gate.factory import comparison, passing, policy, result, rule, violating, waiver
from tests.report.sample import sample_result

TODAY = date(2026, 11, 22)
GOLDEN = Path(__file__).parent / "golden"


def small() -> AuditResult:
    rules = (
        rule("approval", severity="blocker"),
        rule("parity", waivers=(waiver("2027-01-01", "Diverse"),), line=17),
        rule("minor", severity="minor", line=21),
        rule("empty", line=25),
    )
    return result(
        violating("Female"),
        passing("Diverse"),
        comparison(None, rows_needed=410),
        violating("Diverse", rule="parity"),
        passing("Female", rule="parity"),
        violating("Female", rule="minor"),
        comparison("Old|er", 0.9, None, rule="parity", reported_only=True, value=None, why="no one selected"),
        policy=policy(*rules),
    )


def gate(given: AuditResult, **options: Any) -> Decision:
    model = given.system.model.sha256 if given.system.model else None
    return decide(given, today=TODAY, model_sha256=model, **options)


def rendered(given: AuditResult) -> dict[str, str]:
    decision = gate(given)
    before = result(passing("Female"), passing("Gone"), policy=policy(rule("approval")))
    return {
        "junit.xml": junit.render(given, decision),
        "results.sarif": sarif.render(given, decision),
        "summary.md": markdown.summary(given, decision, previous=before),
    }


@pytest.mark.parametrize("name", ["junit.xml", "results.sarif", "summary.md"])
def test_the_text_is_exactly(name: str) -> None:
    """Read the difference, and if it is meant, run once with UPDATE_GOLDEN=1."""
    text = rendered(small())[name]
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_equal_arguments_give_equal_text() -> None:
    assert rendered(sample_result(5)) == rendered(sample_result(5))


class TestJUnit:
    def cases(self, given: AuditResult, decision: Decision) -> dict[tuple[str, str], ET.Element]:
        root = ET.fromstring(junit.render(given, decision))
        return {(c.get("classname", ""), c.get("name", "")): c for c in root.iter("testcase")}

    def test_counts_are_those_of_the_cases(self) -> None:
        root = ET.fromstring(rendered(sample_result(6))["junit.xml"])
        for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(root.get(key, "")) == len(list(root.iter(tag)))
            for suite in root:
                assert int(suite.get(key, "")) == len(list(suite.iter(tag)))
        assert root.get("skipped") == str(len(list(root.iter("skipped"))))
        assert {case.get("time") for case in root.iter("testcase")} == {"0"}

    def test_no_element_that_readers_do_not_know(self) -> None:
        root = ET.fromstring(rendered(sample_result(6))["junit.xml"])
        known = {
            "testsuites",
            "testsuite",
            "testcase",
            "failure",
            "error",
            "skipped",
            "properties",
            "property",
        }
        assert {element.tag for element in root.iter()} <= {*known, "system-out"}

    @pytest.mark.parametrize(
        ("option", "tag"), [("fail", "failure"), ("warn", "skipped"), ("pass", "skipped")]
    )
    def test_inconclusive_fails_where_the_gate_does(self, option: str, tag: str) -> None:
        undecided = result(comparison(), policy=policy())
        (case,) = self.cases(undecided, gate(undecided, on_inconclusive=option)).values()
        assert case.find(tag) is not None

    def test_a_gate_s_own_reasons_are_cases(self) -> None:
        green = result(passing(), policy=policy())
        other = gate(green, spec_digest="ff" * 32)
        case = self.cases(green, other)["gate.mismatch", "policy"]
        assert case.find("error") is not None
        empty = result(policy=policy(rules=()))
        assert self.cases(empty, gate(empty))["gate.rule", "policy"].find("failure") is not None

    def test_only_what_shuts_the_gate_fails(self) -> None:
        for given in (small(), sample_result(7), result(passing(), policy=policy())):
            decision = gate(given)
            root = ET.fromstring(junit.render(given, decision))
            assert (decision.exit_code == 0) == (root.get("failures") == root.get("errors") == "0")


class TestSarif:
    def run(self, given: AuditResult, decision: Decision, **options: bool) -> Any:
        document = json.loads(sarif.render(given, decision, **options))
        assert document["version"] == "2.1.0"
        (run,) = document["runs"]
        return run

    def test_each_result_stands_at_its_rule_s_line(self) -> None:
        given = small()
        run = self.run(given, gate(given))
        lines = {rule.id: rule.line for rule in given.policy.rules}
        for found in run["results"]:
            place = found["locations"][0]["physicalLocation"]
            assert place["artifactLocation"]["uri"] == "audit.yaml"
            assert place["region"]["startLine"] == lines[found["ruleId"]]
            assert run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"]
            assert (found["kind"] == "fail") == (found["level"] != "none")

    def test_kinds(self) -> None:
        given = small()
        kinds = [r["kind"] for r in self.run(given, gate(given), passes=True)["results"]]
        assert kinds == ["fail", "open", "fail", "fail", "open", "pass", "pass"]
        assert "pass" not in [r["kind"] for r in self.run(given, gate(given))["results"]]

    def test_a_waived_finding_is_suppressed(self) -> None:
        given = small()
        waived = [r for r in self.run(given, gate(given))["results"] if "suppressions" in r]
        assert [r["properties"]["status"] for r in waived] == ["waived"]
        without = self.run(given, gate(given, no_waivers=True))["results"]
        assert not [r for r in without if "suppressions" in r]

    def test_a_fingerprint_tracks_the_slice_and_not_the_line(self) -> None:
        def prints(given: AuditResult) -> list[str]:
            results = self.run(given, gate(given), passes=True)["results"]
            return sorted(r["partialFingerprints"]["harmAudit/v1"] for r in results)

        given = small()
        moved = policy(*(replace(r, line=99, lower=0.7) for r in given.policy.rules))
        assert prints(given) == prints(replace(given, policy=moved))
        assert len(set(prints(given))) == len(given.comparisons)

    @pytest.mark.parametrize(
        ("path", "uri"),
        [
            (None, "audit.yaml"),
            ("policies/our audit.yaml", "policies/our%20audit.yaml"),
            ("/srv/a.yaml", "file:///srv/a.yaml"),
            ("C:\\a\\b.yaml", "file:///C:/a/b.yaml"),
        ],
    )
    def test_paths(self, path: str | None, uri: str) -> None:
        given = result(violating(), policy=policy(path=path))
        found = self.run(given, gate(given))["results"][0]
        assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri

    def test_no_more_than_are_kept_and_the_worst_first(self) -> None:
        rows = [comparison(f"g{i}", 1.0, 0.9) for i in range(sarif.KEPT + 20)] + [
            violating("bad", p_violation=0)
        ]
        given = result(*rows, policy=policy())
        run = self.run(given, gate(given))
        assert len(run["results"]) == sarif.KEPT
        assert run["results"][0]["kind"] == "fail"
        assert "21 more" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


class TestMarkdown:
    def test_the_verdict_comes_first(self) -> None:
        for given, word in ((small(), "Violation"), (result(passing(), policy=policy()), "Pass")):
            assert markdown.summary(given, gate(given)).startswith(f"# {word}: credit 1\n")

    def test_an_open_gate_without_evidence_says_so(self) -> None:
        undecided = result(comparison(), policy=policy())
        text = markdown.summary(undecided, gate(undecided, on_inconclusive="warn"))
        assert text.startswith("# Inconclusive")
        assert "lets the gate open all the same" in text

    def test_what_changed(self) -> None:
        before = result(passing("a"), violating("b"), passing("gone"), policy=policy())
        now = result(violating("a"), passing("b"), passing("new"), policy=policy())
        text = markdown.summary(now, gate(now), previous=before)
        changes = text.split("## Since the audit of")[1].split("##")[0]
        assert re.findall(r"= (\w+): (.*)\.", changes) == [
            ("a", "was pass, is violation"),
            ("b", "was violation, is pass"),
            ("new", "new, pass"),
            ("gone", "no longer compared, was pass"),
        ]
        assert "No finding changed" in markdown.summary(now, gate(now), previous=now)

    def test_short_enough_to_upload_and_the_worst_are_there(self) -> None:
        rows = [passing(f"{'long name ' * 15}{i}") for i in range(6000)] + [violating("worst", p_violation=0)]
        given = result(*rows, policy=policy(*(rule(f"r{i}") for i in range(100)), rule()))
        text = markdown.summary(given, gate(given))
        assert len(text.encode()) < 1_000_000
        assert "sex = worst" in text
        assert "more findings, none of them worse, are in audit.json" in text
        assert "Verdicts hold for the groups" in text

    def test_rules_alone_cannot_overflow_it(self) -> None:
        given = result(policy=policy(*(rule(f"{'r' * 150}{i}") for i in range(7000))))
        assert len(markdown.summary(given, gate(given)).encode()) < 1_000_000


class TestHostileNames:
    """Whatever a group, rule or system is called, a page shows the name and does nothing else."""

    NASTY = (
        "<script>alert(1)</script>",
        "a|b`c`*d*_e_[f](http://example.invalid)~~g~~",
        "line\r\nbreak\n\n# heading\n- item",
        "\x00\x07\x1b[31m\x9b\u202e\u2028\ud800\ufffe",
        "&lt;img&gt; &#64;everyone @everyone www.example.invalid $x$",
        "]]> --> <!-- <![CDATA[",
        "::error file=x::y",
        "x" * 1_000_000,
        "",
        "👩🏽‍🚀",
    )

    def nasty(self) -> AuditResult:
        rows = [violating(group, reference=self.NASTY[0], rule=self.NASTY[1]) for group in self.NASTY]
        made = result(*rows, policy=policy(rule(self.NASTY[1], owner=self.NASTY[2])))
        return replace(made, system=replace(made.system, name=self.NASTY[0], version=self.NASTY[2]))

    def test_junit_is_xml_of_whole_names(self) -> None:
        text = junit.render(self.nasty(), gate(self.nasty()))
        root = ET.fromstring(text.encode("utf-8"))
        names = [case.get("name", "") for case in root.iter("testcase")]
        assert names[0].startswith("sex = <script>alert(1)</script> vs")
        assert max(len(name) for name in names) <= 1000

    def test_sarif_is_json_of_bounded_size(self) -> None:
        text = sarif.render(self.nasty(), gate(self.nasty()))
        assert json.loads(text.encode("utf-8"))
        assert len(text) < 60_000

    def test_markdown_shows_and_does_nothing(self) -> None:
        text = markdown.summary(self.nasty(), gate(self.nasty()), previous=sample_result(3, hostile=True))
        text.encode("utf-8")
        assert len(text) < 60_000
        assert not re.search(r"<[a-z!/]", text, re.IGNORECASE)
        assert "://" not in text
        assert "www." not in text
        assert "@" not in text
        assert "\n# heading" not in text
        rows = [line for line in text.splitlines() if line.startswith("| violation |")]
        assert len(rows) == len(self.NASTY)
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(markdown.COLUMNS) + 1}
        assert not set(text) & {
            chr(i) for i in (*range(10), *range(11, 32), 0x7F, *range(0x80, 0xA0), 0x202E)
        }


def test_withheld_figures_are_nowhere() -> None:
    rare = violating("Rare", value=0.4321, low=0.1234, high=0.8765, n=4)
    common = [passing(name) for name in ("Female", "Diverse")]
    given = result(rare, *common, policy=policy(suppress_below=10))
    assert given.verdict is Verdict.VIOLATION
    for text in rendered(given).values():
        assert "Rare" in text
        for figure in ("0.432", "0.43 ", "0.123", "0.876", "0.4321"):
            assert figure not in text

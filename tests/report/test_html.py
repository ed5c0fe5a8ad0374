"""The report as a document: what it says, in which order, and that nothing in a name can harm it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from audit.gate import Decision, Reason, decide
from audit.report.facts import Case, fact
from audit.report.html import render, render_fragment
from audit.result import AuditResult, NotMeasured, Rule, Verdict, Waiver
from tests.report.sample import HOSTILE, RULES, sample_result

BUNDLE = "7c" * 32
BLOCKS = {"p", "li", "td", "th", "dt", "dd", "h1", "h2", "h3", "h4", "caption", "summary"}
VOID = {"meta", "br", "img", "input", "link", "hr", "path", "circle", "line", "rect", "col"}


class Page(HTMLParser):
    """The elements of a document, its text, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack, f"</{tag}> closes nothing"
            assert self.stack.pop() == tag
        if tag in BLOCKS:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.stack or self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \t\n]+", " ", "".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def decision_of(result: AuditResult) -> Decision:
    model = result.system.model
    return decide(result, today=date(2026, 11, 22), model_sha256=model.sha256 if model else None)


def rendered(result: AuditResult, **options: object) -> str:
    return render(result, decision_of(result), bundle_id=BUNDLE, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def small() -> str:
    return rendered(sample_result(3))


@pytest.fixture(scope="module")
def hostile() -> str:
    return rendered(sample_result(len(HOSTILE), hostile=True, scores=False))


def test_the_sections_stand_in_their_order(small: str) -> None:
    ids = [attributes["id"] for attributes in Page(small).all("section")]
    assert ids == ["verdict", "rules", "groups", "scores", "silent", "method"]


def test_equal_input_gives_equal_bytes(small: str) -> None:
    assert rendered(sample_result(3)) == small


def test_the_verdict_comes_first_in_words_with_its_numbers(small: str) -> None:
    text = Page(small).text
    assert text.index("The true positive rate of Female × Black is 22 percentage points below") < text.index(
        "Further findings"
    )
    assert "(95\u202f% interval −26 to −18 points); the policy allows at most 5 points either way." in text


def test_a_ratio_of_selection_rates_is_told_per_hundred_people() -> None:
    rule = Rule("approval", "selection_rate", "ratio", 0.95, None, ("sex",), "interval", "major", None, (), 2)
    text = Page(rendered(sample_result(3, rules=(rule,)))).text
    assert "91 women get the favourable outcome for every 100 men, in equal numbers of people." in text
    adverse = Page(rendered(sample_result(3, rules=(rule,), outcome="adverse"))).text
    assert "91 women get the adverse outcome for every 100 men" in adverse


@pytest.mark.slow
def test_at_most_five_further_findings_and_the_rest_is_counted() -> None:
    result = sample_result(500)
    lead = rendered(result).split('<section id="rules"')[0]
    further = lead.split("Further findings")[1].split("Could not be decided")[0]
    assert further.count("<li>") == 5
    violations = [f for f in result.findings if f.verdict is Verdict.VIOLATION]
    named = int(re.search(r"([\d,]+) more stand", further)[1].replace(",", ""))  # type: ignore[index]
    same = {(f.metric, f.comparison, f.grouping, f.group, f.reference) for f in violations}
    assert named == len(same) - 6


def test_what_could_not_be_decided_says_how_many_rows_would(small: str) -> None:
    result = sample_result(3)
    open_ = [f for f in result.findings if f.verdict is Verdict.INCONCLUSIVE and f.severity != "minor"]
    least = min(f.rows_needed for f in open_ if f.rows_needed)
    undecided = Page(small).text.split("Could not be decided")[1]
    assert f"About {least:,} more rows would decide it" in undecided


def test_a_pass_is_stated_for_what_was_examined_only() -> None:
    wide = tuple(replace(rule, lower=0.2, upper=None) for rule in RULES if rule.comparison == "ratio")
    result = sample_result(3, rules=wide)
    assert decision_of(result).verdict is Verdict.PASS
    text = Page(rendered(result)).text
    assert "For the groups and metrics examined, the evidence is that" in text
    assert "Closest to a bound" in text


def test_without_rules_nothing_is_judged() -> None:
    text = Page(rendered(sample_result(3, rules=()))).text
    assert "The policy has no rules, so nothing was judged." in text


def test_a_waiver_is_named_and_that_the_verdict_rests_on_it() -> None:
    waiver = Waiver("accepted until the retraining", "R. Officer", "2027-01-31")
    result = sample_result(3, waivers=(waiver,))
    decision = decision_of(result)
    assert decision.rests_on_waivers
    text = Page(rendered(result)).text
    assert "Without the waivers named below the verdict would be worse." in text
    assert "R. Officer" in text
    assert "Violation, waived" in text


def test_a_reason_that_no_rule_gave_is_told_with_its_next_step() -> None:
    result = sample_result(3)
    reason = Reason(
        "stale",
        "age",
        "The result is 90 days old; at most 30 are allowed.",
        "Run it again.",
        Verdict.INCONCLUSIVE,
    )
    decision = decide(result, today=date(2026, 11, 22), model_sha256="ab" * 32, extra=(reason,))
    text = Page(render(result, decision, bundle_id=BUNDLE)).text
    assert "The result is 90 days old" in text
    assert "Run it again." in text


def test_the_page_asks_for_nothing_and_runs_nothing(small: str) -> None:
    page = Page(small)
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("img")
    assert "default-src 'none'" in small
    assert not re.search(r"url\(\s*['\"]?(?!#)", small)
    assert not re.search(r"@import", small)
    assert all(a["href"].startswith("#") for a in page.all("a"))  # type: ignore[union-attr]
    assert not [k for _, attributes in page.elements for k in attributes if k.startswith("on")]


def test_ids_are_unique_and_links_lead_somewhere(small: str, hostile: str) -> None:
    for text in (small, hostile):
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert {a["href"][1:] for a in page.all("a")} <= set(ids)  # type: ignore[index]


def test_headings_go_down_one_level_at_a_time(small: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(small).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_has_an_id_and_every_plot_words_and_a_table(small: str) -> None:
    page = Page(small)
    assert all(figure.get("id") for figure in page.all("figure"))
    plots = [svg for svg in page.all("svg") if svg.get("class") == "plot"]
    assert len(plots) == 3 + 6 + 1
    assert all(svg["role"] == "img" and len(svg["aria-label"] or "") > 60 for svg in plots)
    for figure in re.findall(r"<figure.*?</figure>", small, re.S):
        assert "<table" in figure
    assert all(th.get("scope") for th in page.all("th"))


def test_hostile_names_are_text_and_nothing_else(hostile: str) -> None:
    page = Page(hostile)
    assert not page.stack
    assert not page.all("script")
    assert not page.all("img")
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }} {% raw %}" in page.text
    assert "(empty)" in page.text
    assert len(hostile.encode("utf-8")) < 1_500_000
    forbidden = [
        c for c in hostile if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u2028"
    ]
    assert not forbidden


def test_a_name_of_a_megabyte_is_cut(hostile: str) -> None:
    text = Page(hostile).text
    longest = max(re.findall(r"(?:long )+", text), key=len)
    assert len(longest) <= 200


def test_hostile_words_of_the_policy_and_the_system_are_text_too() -> None:
    nasty = "<img src=x onerror=alert(1)>\x00\x1b[2J"
    result = sample_result(3)
    rules = tuple(replace(rule, owner=nasty, waivers=(Waiver(nasty, nasty, nasty),)) for rule in RULES)
    result = replace(
        sample_result(3, rules=rules),
        system=replace(result.system, name=nasty, version=nasty, owner=nasty, jurisdictions=(nasty,)),
        data=replace(result.data, source=nasty, kind=nasty, warnings=(nasty,), roles={nasty: nasty}),
        not_measured=(NotMeasured(nasty, nasty),),
        versions={nasty: nasty},
        tool_version=nasty,
    )
    text = render(result, decision_of(result), bundle_id=nasty, signatures=(nasty,))
    page = Page(text)
    assert not page.all("img")
    assert "\x00" not in text
    assert "\x1b" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "rules", "limit"), [(50, 10, 1_500_000), (500, 3, 1_500_000), (3, 3, 300_000)]
)
def test_the_page_stays_small(groups: int, rules: int, limit: int) -> None:
    many = tuple(replace(RULES[i % 2], id=f"rule {i}", line=i) for i in range(rules))
    assert len(rendered(sample_result(groups, rules=many)).encode()) < limit


def test_a_comparison_of_points_shows_no_p_value_that_judged_nothing(small: str) -> None:
    listed = small.split("Intersections by strength of evidence")[-1].split("</table>")[0]
    rows = [row for row in listed.split("<tr>") if "four-fifths" in row]
    assert rows
    assert all("by point" in row for row in rows)


def test_a_figure_near_its_bound_keeps_the_digits_that_tell_them_apart() -> None:
    result = sample_result(3)
    near = replace(result.comparisons[0], rule="opportunity", metric="true_positive_rate", group=("Near",),
                   comparison="difference", value=-0.0504, low=-0.08, high=-0.02)  # fmt: skip
    finding = replace(result.findings[0], rule="opportunity", metric="true_positive_rate", group=("Near",),
                      comparison="difference", verdict=Verdict.VIOLATION, waived=None)  # fmt: skip
    result = replace(result, comparisons=(*result.comparisons, near), findings=(*result.findings, finding))
    case = Case(result)
    found = next(fact(case, one) for one in case.judged if one.row.group == ("Near",))
    assert (found.points, found.upper) == ("5.04", "5")


def test_the_sentence_and_the_rule_give_a_bound_the_same_digits() -> None:
    rules = (replace(RULES[0], lower=0.7, upper=1 / 0.7),)
    text = Page(rendered(sample_result(3, rules=rules))).text
    assert "0.7 to 1.429" in text
    assert "1.42857" not in text


@pytest.mark.slow
def test_many_groups_fold_to_the_plot_and_the_rest_is_said(small: str) -> None:
    result = sample_result(500)
    text = Page(rendered(result)).text
    each = len(result.comparisons) // 3
    assert f"The plot holds the 50 of {each:,} comparisons with the strongest evidence." in text
    assert f"the first 500 of {each:,} by evidence, all in audit.json" in text
    assert "The plot holds" not in Page(small).text


@pytest.mark.slow
def test_score_plots_count_the_groups_that_the_result_keeps_no_curve_of() -> None:
    result = sample_result(20)
    kept = tuple(b for b in result.score_bins if b.grouping != ("race",))
    some = tuple(b for b in result.score_bins if b.grouping == ("race",))[:15]
    text = Page(rendered(replace(result, score_bins=(*kept, *some)))).text
    assert "The 12 largest of 20 groups." in text
    assert "of 15 groups" not in text


def test_ten_thousand_groups_render() -> None:
    text = rendered(sample_result(10_000, intersections=False))
    assert len(text.encode()) < 2_500_000
    assert "of 10,000" in Page(text).text


def test_what_the_audit_does_not_say_is_said(small: str) -> None:
    silent = Page(small).text.rsplit("What this audit does not say", 1)[1].split("Method and data")[0]
    for words in (
        "No legal advice",
        "auc by intersection: too few rows of one class in 2 groups",
        "Where the errors come from",
        "first look that was counted",
        "Takes the label for the truth",
    ):
        assert words in silent
    uncounted = Page(rendered(sample_result(3, look=None, scores=False, intersections=False))).text
    assert "Looks were not counted." in uncounted
    assert "No scores were read" in uncounted
    assert "two or more attributes were not examined" in uncounted


def test_the_ledger_adds_up(small: str) -> None:
    data = sample_result(3).data
    text = Page(small).text
    assert data.rows_read == data.rows_audited + sum(e.rows for e in data.excluded)
    assert f"Read {data.rows_read:,}" in text
    assert f"Audited {data.rows_audited:,}" in text
    assert "first at lines 17, 4051, 9020" in text


def test_the_bundle_and_who_signed_it_stand_beside_the_verdict() -> None:
    text = rendered(sample_result(3), signatures=("A. Auditor, 2026-11-22, key 1f2e",))
    lead = text.split('<section id="rules"')[0]
    assert BUNDLE in lead
    assert "A. Auditor, 2026-11-22, key 1f2e" in lead
    assert f"harm-audit verify BUNDLE --expect {BUNDLE}" in Page(text).text


def test_words_that_promise_too_much_are_not_used() -> None:
    text = Page(rendered(sample_result(6, suppress_below=400))).text.lower()
    for word in ("debias", "unbiased", "fair model", "certified", "nan", "inf "):
        assert not re.search(rf"\b{word}", text)


def test_a_fragment_stands_alone_and_touches_nothing_around_it() -> None:
    result = sample_result(len(HOSTILE), hostile=True)
    text = render_fragment(result, decision_of(result))
    page = Page(text)
    assert not page.stack
    assert not page.all("script")
    assert page.elements[0] == ("div", {"class": "harm-audit"})
    style = text.split("<style>")[1].split("</style>")[0]
    assert all(line.startswith(".harm-audit") for line in style.strip().splitlines())
    assert len(text) < 40_000
    assert "Violation" in page.text

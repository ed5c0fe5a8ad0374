"""Each error with its line: what was found, what is allowed, what is near.

The faulty line carries the mark `# HERE`, from which the expected line number is counted.
"""

from __future__ import annotations

import pytest

from audit.errors import SpecError
from audit.spec import CollectedSpecError, from_dict, load, resolve_rules

DEFAULTS = {
    "system": "system: {name: x}",
    "columns": "  columns: {label: y, prediction: p}",
    "attributes": "  attributes: {sex: {}, race: {}}",
    "data": "",
    "policy": "",
    "rules": "",
}


def spec_text(**parts: str) -> str:
    at = {**DEFAULTS, **parts}
    policy = "policy:\n" if at["policy"] or at["rules"] else ""
    rules = f"  rules:\n    {at['rules']}\n" if at["rules"] else ""
    data = f"  {at['data']}\n" if at["data"] else ""
    lines = f"  {at['policy']}\n" if at["policy"] else ""
    return f"{at['system']}\ndata:\n{at['columns']}\n{at['attributes']}\n{data}{policy}{lines}{rules}"


RULE = "- {{metric: selection_rate, comparison: {0}}} # HERE"

CASES = [
    # keys
    ({"system": "system: {nmae: x, name: y} # HERE"}, "unknown key `nmae` in `system`", "Did you mean name?"),
    ({"system": "system: {version: '1'} # HERE"}, "`system` lacks the key `name`", "heads the report"),
    ({"columns": "  columns: {lable: y, prediction: p} # HERE"}, "unknown key `lable` in `columns`", "label"),
    ({"policy": "min_gruop: 5 # HERE"}, "unknown key `min_gruop` in `policy`", "min_group"),
    ({"data": "confidence: 0.9 # HERE"}, "unknown key `confidence` in `data`", "belongs under policy"),
    ({"rules": "- {metric: four_fifths, ownr: A} # HERE"}, "unknown key `ownr`", "owner"),
    ({"attributes": "  attributes: {sex: {bin: [1]}} # HERE"}, "unknown key `bin` in `sex`", "bins"),
    # types
    (
        {"system": "system: {name: x, version: 2026.10} # HERE"},
        "`version`: found 2026.1; allowed: text",
        "quotes",
    ),
    ({"system": "system: {name: ''} # HERE"}, "`name`: found empty text", None),
    ({"system": "system: {name: x, jurisdictions: EU} # HERE"}, "allowed: a list", "Write [EU]."),
    (
        {"system": "system: {name: x, outcome: favorable} # HERE"},
        "allowed: favourable, adverse",
        "favourable",
    ),
    ({"system": "system: {name: x, tier: high} # HERE"}, "`tier`: found text 'high'; allowed: a whole", None),
    ({"system": "system: credit # HERE"}, "`system`: found text 'credit'; allowed: a mapping", None),
    ({"data": "missing: drop # HERE"}, "`missing`: found text 'drop'; allowed: group, exclude", None),
    ({"data": "intersections: 2.0 # HERE"}, "`intersections`: found 2.0; allowed: a whole number", None),
    ({"data": "intersections: 0 # HERE"}, "`intersections`: found 0; allowed: a whole number from 1", None),
    ({"data": "positive: [1] # HERE"}, "`positive`: found a list", None),
    ({"data": "positive: .nan # HERE"}, "`positive`: found NaN", None),
    ({"policy": "monitor: x # HERE"}, "unknown key `monitor`", "top level"),
    # the numbers of the policy
    *[
        ({"policy": f"confidence: {value} # HERE"}, f"`confidence`: found {found}", None)
        for value, found in [
            ("95", "95"),
            ("1", "1"),
            ("0.5", "0.5"),
            (".nan", "NaN"),
            (".inf", "infinity"),
            ("1e999", "infinity"),
            ("'0.9'", "text '0.9'"),
            ("true", "true"),
            ("null", "nothing"),
        ]
    ],
    *[
        ({"policy": f"min_group: {value} # HERE"}, f"`min_group`: found {found}", None)
        for value, found in [("0", "0"), ("-3", "-3"), (".nan", "NaN"), ("29.5", "29.5"), ("false", "false")]
    ],
    ({"policy": "suppress_below: .nan # HERE"}, "`suppress_below`: found NaN", None),
    ({"policy": "family: rules # HERE"}, "allowed: policy, rule", None),
    ({"policy": "on_inconclusive: ignore # HERE"}, "allowed: fail, warn, pass", None),
    # columns
    ({"columns": "  columns: {id: i} # HERE"}, "names none of label, prediction, score", "Write columns"),
    ({"columns": "  columns: {label: y, prediction: y} # HERE"}, "serves both label and prediction", None),
    ({"columns": "  columns: {label: y, count: n, weight: w} # HERE"}, "both `count` and `weight`", None),
    ({"data": "weights: sampling # HERE"}, "`weights` without a weight column", "weight"),
    ({"data": "threshold: 0.5 # HERE"}, "`threshold` without a score column", "score"),
    (
        {"columns": "  columns: {score: s, prediction: p}", "data": "threshold: 0.5 # HERE"},
        "both a prediction column and a `threshold`",
        "Take one",
    ),
    ({"columns": "  columns: {score: s}", "data": "threshold: .nan # HERE"}, "`threshold`: found NaN", None),
    # attributes
    ({"attributes": "  attributes: {} # HERE"}, "no attribute is named", "sex"),
    ({"attributes": "  attributes: [sex] # HERE"}, "`attributes`: found a list", "Write {sex"),
    (
        {"attributes": "  attributes: {sex: {column: y}} # HERE"},
        "'sex' is the column that serves as label",
        None,
    ),
    ({"attributes": "  attributes: {p: {}} # HERE"}, "'p' is the column that serves as prediction", None),
    (
        {"attributes": "  attributes: {age: {bins: [40, 25]}} # HERE"},
        "`bins` do not rise: 25 follows 40",
        None,
    ),
    (
        {"attributes": "  attributes: {age: {bins: [25, 25]}} # HERE"},
        "`bins` do not rise: 25 follows 25",
        None,
    ),
    ({"attributes": "  attributes: {age: {bins: []}} # HERE"}, "`bins` is empty", None),
    ({"attributes": "  attributes: {age: {bins: [1, .nan]}} # HERE"}, "`bins[1]`: found NaN", None),
    ({"attributes": "  attributes: {age: {bins: [1], map: {a: b}}} # HERE"}, "both `bins` and `map`", None),
    ({"attributes": "  attributes: {age: {map: {}}} # HERE"}, "`map` is empty", None),
    ({"attributes": "  attributes: {age: {as: gender}} # HERE"}, "allowed: sex, race_ethnicity, age", None),
    ({"attributes": "  attributes: {age: {map: {a: [b]}}} # HERE"}, "`a`: found a list", None),
    ({"data": "control: [sex] # HERE"}, "the control column 'sex' is an attribute", None),
    ({"data": "control: [y] # HERE"}, "serves as label", None),
    ({"data": "control: [a, a] # HERE"}, "`control` names 'a' twice", None),
    # the source
    ({"data": "{sql: SELECT 1}"[1:-1] + " # HERE"}, "`sql` without a `source`", None),
    ({"data": "join: {on: k} # HERE"}, "`join` has neither of", None),
    ({"data": "join: {on: k, table: a, source: b} # HERE"}, "`join` has both of", None),
    ({"data": "join: {table: a} # HERE"}, "`join` lacks the key `on`", None),
    ({"data": "source: postgres://u:pw9@h/d # HERE"}, "a password written out", "PGPASSWORD"),
    ({"data": "source: 'x${' # HERE"}, "not closed as ${NAME}", None),
    ({"data": "filter: a > 1; DROP TABLE t # HERE"}, "`filter`: found 2 statements", None),
    ({"data": "filter: a > '${X}' # HERE"}, "`filter` holds `${`", None),
    # rules: metric and comparison
    (
        {"rules": "- {metric: selecton_rate, comparison: ratio, at_least: .8} # HERE"},
        "'selecton_rate'",
        "selection_rate",
    ),
    ({"rules": "- {comparison: ratio} # HERE"}, "lacks the key `metric`", None),
    (
        {"rules": "- four_fifths # HERE"},
        "found text 'four_fifths'; allowed: a mapping",
        "{metric: four_fifths}",
    ),
    (
        {"rules": "- {metric: selection_rate, at_most: 0.1} # HERE"},
        "lacks the key `comparison`",
        "difference",
    ),
    ({"rules": RULE.format("rato, at_least: 0.8")}, "`comparison`: found text 'rato'", "ratio"),
    (
        {"rules": RULE.format("pairs, at_most: 0.8")},
        "not compared by pairs; allowed: difference, ratio",
        None,
    ),
    ({"rules": "- {metric: four_fifths, comparison: difference} # HERE"}, "allowed: ratio", None),
    (
        {"rules": "- {metric: four_fifths, at_least: 0.7} # HERE"},
        "has its bound, 0.8, by definition",
        "Take it out",
    ),
    ({"rules": "- {metric: four_fifths, one_sided: false} # HERE"}, "has its bound", "Take it out"),
    ({"rules": RULE.format("conditional_ratio, at_least: 0.8")}, "needs strata", "control"),
    ({"rules": "- {metric: four_fifths, attributes: [sexe]} # HERE"}, "no attribute is called 'sexe'", "sex"),
    ({"rules": "- {metric: four_fifths, attributes: []} # HERE"}, "would judge nothing", None),
    ({"rules": "- {metric: four_fifths, attributes: sex} # HERE"}, "allowed: a list", "[sex]"),
    ({"rules": "- {metric: four_fifths, attributes: [sex, sex]} # HERE"}, "names 'sex' twice", None),
    (
        {
            "columns": "  columns: {prediction: p}",
            "rules": "- {metric: true_positive_rate, comparison: difference, at_most: 0.1} # HERE",
        },
        "true_positive_rate needs label",
        "Add columns: {label",
    ),
    (
        {
            "columns": "  columns: {prediction: p}",
            "rules": "- {metric: equalized_odds, at_most: 0.1} # HERE",
        },
        "equalized_odds needs label",
        "Add columns: {label",
    ),
    (
        {"columns": "  columns: {score: s}", "rules": "- {metric: four_fifths} # HERE"},
        "four_fifths needs prediction",
        "threshold",
    ),
    # rules: bounds
    ({"rules": RULE.format("ratio")}, "the rule has no bound", "at_least: 0.8"),
    ({"rules": RULE.format("ratio, at_least: .nan")}, "`at_least`: found NaN", None),
    ({"rules": RULE.format("ratio, at_least: -.inf")}, "`at_least`: found infinity", None),
    ({"rules": RULE.format("ratio, at_least: '0.8'")}, "found text '0.8'; allowed: a number", "quotes"),
    ({"rules": RULE.format("ratio, at_least: 1")}, "no width", None),
    ({"rules": RULE.format("ratio, at_least: 80")}, "found 80; allowed for a ratio", "0.8"),
    ({"rules": RULE.format("ratio, at_least: 0")}, "found 0; allowed for a ratio", None),
    ({"rules": RULE.format("ratio, at_most: 0.8")}, "allowed for a ratio: 1 or more", "at_least: 0.8"),
    ({"rules": RULE.format("ratio, at_least: 1.3, at_most: 1.2")}, "reversed", None),
    ({"rules": RULE.format("ratio, at_least: 1, at_most: 1")}, "no width", None),
    (
        {"rules": RULE.format("ratio, at_least: .8, at_most: 1.2, one_sided: true")},
        "`one_sided` with both",
        None,
    ),
    ({"rules": RULE.format("difference, at_most: 0")}, "no width", None),
    ({"rules": RULE.format("difference, at_most: 2.0")}, "no difference of shares reaches it", "0.02"),
    ({"rules": RULE.format("difference, at_most: -0.1")}, "would lie outside the band", None),
    ({"rules": RULE.format("difference, at_least: -0.1")}, "bounds one side", "one_sided"),
    ({"rules": RULE.format("worst_group, at_least: 0")}, "allowed for a share", None),
    ({"rules": RULE.format("worst_group, at_most: 1")}, "allowed for a share", None),
    (
        {"rules": RULE.format("worst_group, at_most: .5, one_sided: true")},
        "`one_sided` with worst_group",
        None,
    ),
    ({"rules": RULE.format("ratio, at_least: 0.8, one_sided: 1")}, "allowed: true or false", None),
    # rules: the rest
    ({"rules": "- {metric: four_fifths, severity: high} # HERE"}, "allowed: blocker, major, minor", None),
    ({"rules": "- {metric: four_fifths, judge: eye} # HERE"}, "allowed: interval, estimate", None),
    (
        {"rules": "- {id: a, metric: four_fifths}\n    - {id: a, metric: four_fifths} # HERE"},
        "'a' is taken by rule 1",
        None,
    ),
    *[
        ({"rules": f"- {{metric: four_fifths, waivers: [{{{waiver}}}]}} # HERE"}, words, None)
        for waiver, words in [
            ("approver: A, expires: 2027-01-01", "lacks the key `reason`"),
            ("reason: r, expires: 2027-01-01", "lacks the key `approver`"),
            ("reason: r, approver: A", "lacks the key `expires`"),
            ("reason: r, approver: '', expires: 2027-01-01", "`approver`: found empty text"),
            ("reason: r, approver: A, expires: never", "`expires`: found text 'never'; allowed: a date"),
            ("reason: r, approver: A, expires: 2027-02-30", "allowed: a date"),
            ("reason: r, approver: A, expires: 20270101", "found 20270101; allowed: a date"),
        ]
    ],
]


@pytest.mark.parametrize(("parts", "what", "hint"), CASES, ids=[case[1] for case in CASES])
def test_an_error_has_its_line_and_its_words(write, parts, what, hint):
    text = spec_text(**parts)
    path = write(text)
    line = next(i for i, row in enumerate(text.splitlines(), start=1) if "# HERE" in row)
    with pytest.raises(SpecError) as caught:
        load(path)
    errors = getattr(caught.value, "errors", (caught.value,))
    here = [error for error in errors if what in error.what]
    assert here, str(caught.value)
    assert here[0].where == f"{path}:{line}"
    assert here[0].exit_code == 2
    if hint is not None:
        assert hint in f"{here[0].what} {here[0].hint}"


def test_the_text_without_faults_is_taken(write):
    assert resolve_rules(load(write(spec_text(rules="- {metric: four_fifths}"))))[0].id == "four_fifths"


def test_all_errors_are_shown_in_the_order_of_lines(write):
    text = spec_text(
        system="system: {name: x, outcome: good}",
        data="missing: drop",
        policy="min_group: 0",
        rules="- {metric: four_fifths, severity: high}",
    )
    with pytest.raises(CollectedSpecError) as caught:
        load(write(text))
    lines = [int(error.where.rpartition(":")[2]) for error in caught.value.errors]
    assert lines == [1, 5, 7, 9]
    shown = str(caught.value)
    assert shown.startswith(str(caught.value.errors[0].where))
    assert all(f"`{key}`" in shown for key in ("outcome", "missing", "min_group", "severity"))


def test_thousands_of_errors_end_soon_and_are_cut(minimal):
    minimal["policy"] = {"rules": [{"metric": f"selction_rate{i}"} for i in range(3000)]}
    with pytest.raises(CollectedSpecError) as caught:
        from_dict(minimal)
    assert len(caught.value.errors) < 1000
    assert "more" in str(caught.value).splitlines()[-1]


def test_a_dict_is_told_the_rules_place(minimal):
    minimal["policy"] = {"rules": [{"metric": "four_fifths"}, {"metric": "four_fifth"}]}
    with pytest.raises(SpecError) as caught:
        from_dict(minimal)
    assert caught.value.where == "rules[1]"
    minimal["policy"] = {}
    minimal["data"]["missing"] = "drop"
    with pytest.raises(SpecError) as caught:
        from_dict(minimal)
    assert caught.value.where == "data.missing"


@pytest.mark.parametrize("key", [None, (1, 2), float("nan")])
def test_a_dicts_keys_are_text(minimal, key):
    minimal["data"]["attributes"][key] = {}
    with pytest.raises(SpecError, match="a key is"):
        from_dict(minimal)


def test_keys_that_become_the_same_text_are_doubled(minimal):
    minimal["data"]["attributes"]["sex"] = {"map": {1: "a", "1": "b"}}
    with pytest.raises(SpecError, match="stands twice"):
        from_dict(minimal)


def test_what_is_described_only_is_not_judged(minimal):
    minimal["policy"] = {"rules": [{"metric": "count", "comparison": "worst_group", "at_least": 5}]}
    with pytest.raises(SpecError, match="never judged"):
        from_dict(minimal)

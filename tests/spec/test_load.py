"""What a good spec comes to: values, defaults, rules, and the way back to a dict."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from audit.spec import from_dict, load, resolve_rules, spec_schema
from audit.spec.lines import parse

EVERYTHING = """\
system:
  name: flagging
  version: "2026.10"
  owner: Risk team
  use: benefits
  output: a flag that leads to an interview
  jurisdictions: [EU, US-NY]
  tier: 3
  outcome: adverse
  model: model.bin
data:
  source: postgres://auditor:${PGPASSWORD}@db/benefits
  sql: SELECT * FROM flags WHERE year = 2026
  columns: {label: fraud, score: risk, weight: w, id: row, cluster: person, time: seen_at}
  threshold: 0.7
  weights: frequency
  positive: {label: Yes, prediction: 1}
  attributes:
    sex:
    origin: {column: birth_country, reference: best, map: {1: AT, NO: Norway, true: x}}
    years: {column: age, as: age, bins: [18, 65.5]}
  intersections: 3
  control: [district, office]
  missing: exclude
  filter: age >= 18 AND district <> 'test'
  join: {source: people.csv, on: person_key}
policy:
  confidence: 0.9
  min_group: 50
  family: rule
  small_groups: report
  on_inconclusive: warn
  suppress_below: 10
  rules:
    - id: flags
      metric: selection_rate
      comparison: difference
      at_most: 0.1
      one_sided: true
      attributes: [sex, years]
      judge: estimate
      severity: minor
      owner: Ann
      waivers:
        - {reason: known, approver: Bo, expires: 2027-03-31, groups: [Female]}
    - {metric: selection_rate, comparison: worst_group, at_most: 0.3}
    - {metric: selection_rate, comparison: conditional_difference, at_most: 0.1}
    - {metric: equalized_odds, at_most: 0.1}
monitor:
  window: 12h
  label_lag: 30d
  ledger: "postgresql://audit:${PGPASSWORD}@db/monitor"
  sinks: [{webhook: "https://hooks.example/a", secret: "${HOOK}"}, {command: [logger, -t, alarm]}]
  sql: [{source: events.duckdb, table: decisions, watermark: written_at}]
"""


def test_the_example_is_read_as_it_is_written(write, example):
    spec = load(write(example))
    assert (spec.system.name, spec.system.version, spec.system.jurisdictions) == (
        "credit-approval",
        "2026.11",
        ("EU",),
    )
    assert spec.data.positive_label == spec.data.positive_prediction == "1"
    assert spec.data.attributes["sex"].as_ == "sex"
    assert spec.data.attributes["sex"].column == "sex"
    assert spec.data.attributes["race"].reference == "White"
    assert spec.data.attributes["age"].bins == (25.0, 40.0, 60.0)
    assert spec.data.join.table == "applicants"
    assert spec.data.control == ("department",)


def test_the_examples_rules(write, example):
    approval, opportunity, four_fifths = resolve_rules(load(write(example)))
    assert (approval.id, approval.lower, approval.upper, approval.line) == ("approval", 0.8, 1.25, 17)
    assert (opportunity.lower, opportunity.upper, opportunity.severity) == (-0.05, 0.05, "blocker")
    assert (four_fifths.id, four_fifths.comparison, four_fifths.judge) == ("four_fifths", "ratio", "estimate")
    assert (four_fifths.lower, four_fifths.upper, four_fifths.line) == (0.8, None, 19)
    assert approval.judge == "interval"
    assert approval.severity == "major"


def test_every_key_is_kept(write):
    spec = load(write(EVERYTHING))
    assert spec.system.tier == 3
    assert spec.system.outcome == "adverse"
    assert spec.data.attributes["origin"].map == {"1": "AT", "NO": "Norway", "true": "x"}
    assert spec.data.attributes["sex"].column == "sex"
    assert spec.data.positive_label == "Yes"
    assert spec.data.positive_prediction == "1"
    assert spec.policy.small_groups == "report"
    assert spec.policy.rules[0].waivers[0].expires == date(2027, 3, 31)
    assert (spec.monitor.window, spec.monitor.label_lag, spec.monitor.false_alarms) == ("12h", "30d", 0.05)
    assert [sink.kind for sink in spec.monitor.sinks] == ["webhook", "command"]
    assert spec.monitor.sql[0].settle == "60s"
    flags, worst, conditional, odds = resolve_rules(spec)
    assert (flags.lower, flags.upper, flags.judge) == (None, 0.1, "estimate")
    assert flags.waivers[0].expires == "2027-03-31"
    assert (worst.id, worst.lower, worst.upper) == ("selection_rate", None, 0.3)
    assert conditional.id == "selection_rate-2"
    assert (odds.id, odds.comparison) == ("equalized_odds", "difference")


@pytest.mark.parametrize("name", ["example", "everything"])
def test_what_was_said_can_be_said_again(write, example, name):
    spec = load(write(example if name == "example" else EVERYTHING))
    again = from_dict(spec.as_dict())
    assert again.as_dict() == spec.as_dict()
    assert again.data.model_dump() == spec.data.model_dump()
    assert [rule.lower for rule in resolve_rules(again)] == [rule.lower for rule in resolve_rules(spec)]


def test_path_digest_and_base(write, example):
    path = write(example)
    spec = load(path)
    assert spec.path == path
    assert spec.base == path.parent
    assert spec.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert from_dict(spec.as_dict(), base=Path("/data")).base == Path("/data")
    assert from_dict(spec.as_dict()).digest is None


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path, example):
    path = tmp_path / "audit.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + example.encode())
    assert load(path).system.name == "credit-approval"


def test_places_speak_of_any_value(write, example):
    spec = load(write(example))
    assert spec.where("data", "attributes", "race", "reference").endswith("audit.yaml:8")
    assert spec.where("data", "attributes", "age", "bins", 9).endswith("audit.yaml:9")


def test_no_rules_are_allowed(minimal):
    assert resolve_rules(from_dict(minimal)) == ()


def test_a_weight_counts_as_sampling_unless_said(minimal):
    minimal["data"]["columns"]["weight"] = "w"
    assert from_dict(minimal).data.weights == "sampling"
    minimal["data"]["weights"] = "frequency"
    assert from_dict(minimal).data.weights == "frequency"
    del minimal["data"]["columns"]["weight"], minimal["data"]["weights"]
    assert from_dict(minimal).data.weights is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (True, "true"),
        (False, "false"),
        (">50K", ">50K"),
        (0.5, "0.5"),
        (np.int64(1), "1"),
    ],
)
def test_scalars_become_the_text_that_data_is_compared_with(minimal, given, text):
    minimal["data"]["positive"] = given
    assert from_dict(minimal).data.positive_label == text


@pytest.mark.parametrize(
    ("written", "text"),
    [("Yes", "Yes"), ("no", "no"), ("1", "1"), ("true", "true"), ('">50K"', ">50K"), ("1.0", "1")],
)
def test_yaml_scalars_are_those_of_yaml_1_2(write, example, written, text):
    assert load(write(example.replace("positive: 1 ", f"positive: {written} "))).data.positive_label == text


def test_values_of_other_libraries_are_taken(minimal):
    minimal["data"]["attributes"] = {"age": {"bins": np.array([20, 40])}}
    minimal["data"]["source"] = Path("a") / "b.csv"
    minimal["policy"] = {"min_group": np.int32(5), "confidence": np.float64(0.9), "rules": ()}
    spec = from_dict(minimal)
    assert spec.data.attributes["age"].bins == (20.0, 40.0)
    assert spec.data.source == str(Path("a") / "b.csv")
    assert spec.policy.min_group == 5


def test_ids_are_unique_also_beside_given_ones(minimal):
    rule = {"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}
    minimal["policy"] = {"rules": [rule, {**rule, "id": "selection_rate-2"}, rule, rule]}
    assert [made.id for made in resolve_rules(from_dict(minimal))] == [
        "selection_rate",
        "selection_rate-2",
        "selection_rate-3",
        "selection_rate-4",
    ]


def test_the_threshold_makes_a_prediction_of_a_score(minimal):
    minimal["data"]["columns"] = {"score": "p"}
    minimal["data"]["threshold"] = 0
    minimal["policy"] = {"rules": [{"metric": "four_fifths"}]}
    assert from_dict(minimal).data.threshold == 0.0


def test_the_schema_takes_what_load_takes_and_refuses_misspelt_keys(example):
    schema = spec_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for text in (example, EVERYTHING):
        jsonschema.validate(_parsed(text), schema)
    for wrong in ("lable: repaid", "label: x, lable: y"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(_parsed(example.replace("label: repaid", wrong)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_parsed(example.replace("four_fifths", "four_fifth")), schema)


def test_every_key_of_the_schema_is_described():
    schema = spec_schema()
    for name, section in {**schema["$defs"], "": schema}.items():
        assert section["description"], name
        for key, value in section["properties"].items():
            assert value.get("description"), f"{name}.{key}"


def _parsed(text: str) -> object:
    value, _ = parse(text, "audit.yaml")
    return value

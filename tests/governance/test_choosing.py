"""`harm-audit choose`: every answer leads to rules that a policy can hold, with a reason, and is recorded."""

from __future__ import annotations

import io
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from audit import registry, spec
from audit.cli.main import main
from audit.errors import UsageError
from audit.governance.choosing import choose, questions

COLUMNS = {"label": "y", "prediction": "p", "score": "s"}


def every() -> list[dict[str, str]]:
    asked = questions()
    return [
        dict(zip((one.id for one in asked), words, strict=True))
        for words in itertools.product(*(one.answers for one in asked))
    ]


def test_every_combination_leads_to_rules_that_a_policy_can_hold() -> None:
    for given in every():
        found = choose(given)
        assert found.proposals, given
        columns = dict(COLUMNS) if given["labels"] != "none" else {"prediction": "p"}
        rules = [{"id": one.id, **one.rule} for one in found.proposals]
        made = spec.from_dict(
            {
                "system": {"name": "t", "outcome": found.outcome},
                "data": {"columns": columns, "attributes": {"g": {}}},
                "policy": {"rules": rules},
            }
        )
        assert len(spec.resolve_rules(made)) == len(rules)
        assert all(one.why for one in (*found.proposals, *found.left_out))


def test_no_error_rate_is_proposed_on_labels_that_are_not_to_be_trusted() -> None:
    for given in every():
        if given["labels"] in ("doubtful", "none"):
            for one in choose(given).proposals:
                metric = registry.metrics()[one.rule["metric"]]
                assert "label" not in metric.needs, given


def test_each_question_can_change_the_proposal() -> None:
    for question in questions():
        seen = set()
        for given in every():
            others = tuple((key, word) for key, word in given.items() if key != question.id)
            rules = tuple(one.id for one in choose(given).proposals)
            seen.add((others, rules))
        assert len(seen) > len({others for others, _ in seen}), question.id


def test_who_bears_the_error_decides_between_the_rates() -> None:
    base = {"capacity": "open", "labels": "trusted", "score": "no"}
    metrics = {
        (decision, error): [
            one.rule["metric"] for one in choose({**base, "decision": decision, "error": error}).proposals
        ]
        for decision in ("assistive", "punitive")
        for error in ("missed", "false_alarm")
    }
    assert metrics["punitive", "false_alarm"] == ["false_positive_rate"]
    assert metrics["assistive", "missed"] == ["selection_rate", "true_positive_rate"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decision": "punitve"}, "Did you mean punitive"),
        ({"decison": "punitive"}, "Did you mean decision"),
        ({"error": None}, "'error' is not answered"),
    ],
)
def test_what_is_no_answer_is_refused(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {**every()[0], **change}
    given = {key: word for key, word in given.items() if word is not None}
    with pytest.raises(UsageError, match=words):
        choose(given)


ANSWERS = "decision: assistive\ncapacity: limited\nlabels: trusted\nerror: missed\nscore: no\n"


def test_the_file_answers_prints_rules_and_is_kept_as_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("choice.yaml").write_text(ANSWERS)
    assert main(["choose", "--answers", "choice.yaml"]) == 0
    block = YAML(typ="safe").load(capsys.readouterr().out)
    assert block["system"] == {"outcome": "favourable"}
    assert [rule["metric"] for rule in block["policy"]["rules"]] == [
        "selection_rate",
        "true_positive_rate",
        "positive_predictive_value",
    ]
    assert main(["choose", "--answers", "choice.yaml", "--by", "Ada"]) == 2
    assert main(["checklist", "new", "EVAL"]) == 0
    given = ["choose", "--answers", "choice.yaml", "--by", "Ada", "--as-of", "2026-11-22"]
    assert main(given) == 0
    kept = YAML(typ="safe").load(Path("governance/answers/EVAL.yaml").read_text())["answers"]["EVAL-02"]
    assert (kept["answer"], kept["answered_by"]) == ("yes", "Ada")
    assert kept["evidence"][0]["path"] == "governance/metrics-choice.yaml"
    made = YAML(typ="safe").load(Path("governance/metrics-choice.yaml").read_text())
    assert made["answers"]["labels"] == "trusted"
    assert all(rule["why"] for rule in made["rules"])
    assert main(["checklist", "status", "--json", "--as-of", "2026-11-22"]) == 0
    assert '"item": "EVAL-02"' in capsys.readouterr().out


def test_the_dialogue_asks_again_where_an_answer_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("punitive\nlots\nopen\ndoubtful\nboth\nyes\n"))
    assert main(["choose"]) == 0
    said = capsys.readouterr()
    assert "outcome: adverse" in said.out
    assert "metric: selection_rate" in said.out
    assert "Error rates" in said.out
    assert "is not one of" in said.err


def test_an_end_of_input_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("punitive\n"))
    assert main(["choose", "--out", str(tmp_path / "record.yaml")]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_other_things_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1\n")
    assert main(["choose", "--answers", str(tmp_path / "a.yaml")]) == 2
    assert main(["choose", "--answers", str(tmp_path / "none.yaml")]) == 2

"""Tasks as the columns say, held against columns and metrics; population shares from spec and file."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import SpecError
from audit.registry import TASKS, lookup, metrics, split_class, tasks_of, with_class
from audit.spec import from_dict, resolve_rules, spec_schema


def _spec(columns: dict, rules: list | None = None, system: dict | None = None, **data: object):
    return from_dict(
        {
            "system": {"name": "s", **(system or {})},
            "data": {"columns": columns, "attributes": {"sex": {}}, **data},
            "policy": {"rules": rules or []},
        }
    )


@pytest.mark.parametrize(
    ("columns", "data", "task"),
    [
        ({"label": "y", "prediction": "p"}, {}, "binary"),
        ({"prediction": "p"}, {}, "selection"),
        ({"score": "s", "label": "y"}, {}, "score"),
        ({"score": "s", "label": "y"}, {"threshold": 0.5}, "binary"),
        ({"score": "s"}, {}, "score"),
        ({"label": "y", "prediction": "p"}, {"task": "regression"}, "regression"),
    ],
)
def test_the_task_is_guessed_from_the_columns_and_taken_as_written(columns, data, task) -> None:
    assert _spec(columns, **data).data.task_named == task


@pytest.mark.parametrize(
    ("task", "metric"),
    [("regression", "accuracy"), ("multiclass", "auc"), ("multiclass", "expected_utility")],
)
def test_a_metric_that_does_not_fit_the_task_is_refused_with_what_fits(task: str, metric: str) -> None:
    rule = {"metric": metric, "comparison": "difference", "at_most": 0.1}
    with pytest.raises(SpecError) as caught:
        _spec({"label": "y", "prediction": "p"}, [rule], task=task)
    text = str(caught.value)
    assert f"the task here is {task}" in text
    assert "Fitting here: " in text


@pytest.mark.parametrize(
    ("columns", "data", "words"),
    [
        ({"prediction": "p", "exposure": "e"}, {}, "`exposure` serves the task regression"),
        ({"label": "y"}, {"task": "regression"}, "needs prediction"),
        ({"label": "y", "prediction": "p"}, {"task": "selection"}, "no use for the column `label`"),
        ({"query": "q"}, {"task": "ranking"}, "needs rank"),
        ({"label": "y", "prediction": "p"}, {"task": "score"}, "needs score"),
        (
            {"label": "y", "prediction": "p"},
            {"task": "regression", "positive": 1},
            "`positive` has no meaning",
        ),
        ({"label": "y", "prediction": "p"}, {"task": "guess"}, "allowed: binary, score, regression"),
    ],
)
def test_columns_that_contradict_the_task_are_named(columns, data, words) -> None:
    with pytest.raises(SpecError, match=words):
        _spec(columns, **data)


def test_a_class_goes_with_multiclass_alone_and_becomes_part_of_the_name() -> None:
    rule = {"metric": "true_positive_rate", "class": "gold", "comparison": "difference", "at_most": 0.1}
    spec = _spec({"label": "y", "prediction": "p"}, [rule], task="multiclass")
    assert resolve_rules(spec)[0].metric == "true_positive_rate[gold]"
    with pytest.raises(SpecError, match="`class` goes with the task multiclass"):
        _spec({"label": "y", "prediction": "p"}, [rule])


def test_a_class_written_as_results_show_it_is_told_how_rules_write_it() -> None:
    rule = {"metric": "true_positive_rate[gold]", "comparison": "difference", "at_most": 0.1}
    with pytest.raises(SpecError, match="Write metric: true_positive_rate, class: gold"):
        _spec({"label": "y", "prediction": "p"}, [rule], task="multiclass")


@pytest.mark.parametrize("of_class", ["gold", "a[b]", "]", "[", "<script>", "é\n"])
def test_a_metric_of_a_class_keeps_both_names(of_class: str) -> None:
    name = with_class("f1", of_class)
    assert split_class(name) == ("f1", of_class)
    assert lookup(name).name == name


def test_every_metric_fits_a_task() -> None:
    without = {metric.family for metric in metrics().values() if not tasks_of(metric)}
    assert without <= {"data", "individuals"}, "what needs rows, and no counts, fits no task of an audit"


def test_a_metric_of_utility_asks_for_the_values() -> None:
    rule = {"metric": "expected_utility", "comparison": "difference", "at_most": 0.1}
    with pytest.raises(SpecError, match=r"system\.utility"):
        _spec({"label": "y", "prediction": "p"}, [rule])
    utility = {"tp": 1, "fp": -2, "fn": -1, "tn": 0}
    assert _spec({"label": "y", "prediction": "p"}, [rule], {"utility": utility})
    with pytest.raises(SpecError, match="lacks the key `tn`"):
        _spec({"label": "y", "prediction": "p"}, [], {"utility": {"tp": 1, "fp": 0, "fn": 0}})


def test_shares_of_the_population_are_read_from_spec_and_file(tmp_path: Path) -> None:
    written = _spec({"prediction": "p"}, population={"sex": {"F": 0.51, "M": 0.49}})
    (tmp_path / "shares.csv").write_text('attribute,group,share\nsex,F,0.51\nsex,"M",0.49\n')
    (tmp_path / "shares.yaml").write_text("sex: {F: 0.51, M: 0.49}\n")
    assert written.population() == {"sex": {"F": 0.51, "M": 0.49}}
    for name in ("shares.csv", "shares.yaml"):
        read = from_dict(
            {"system": {"name": "s"},
             "data": {"columns": {"prediction": "p"}, "attributes": {"sex": {}}, "population": name}},
            base=tmp_path,
        )  # fmt: skip
        assert read.population() == written.population()
    assert _spec({"prediction": "p"}).population() == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sex": {"F": 0.5, "M": 0.1}}, "sum to 0.6"),
        ({"sex": {"F": 51, "M": 49}}, "a share from 0 to 1"),
        ({"sex": {"F": float("nan"), "M": 1}}, "a share from 0 to 1"),
        ({"sex": {"F": True, "M": 0.5}}, "a share from 0 to 1"),
        ({"sex": {}}, "group → share"),
        ({"race": {"A": 1.0}}, "no attribute is called 'race'"),
        ([1], "attribute → group → share"),
    ],
)
def test_shares_that_are_none_are_refused(given: object, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        _spec({"prediction": "p"}, population=given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("group,share\nF,1\n", "the header is group,share"),
        ("attribute,group,share\nsex,F\n", "line 2 has 2 fields"),
        ("attribute,group,share\nsex,F,half\n", "line 2: found text 'half'"),
        ("attribute,group,share\nsex,F,1\nsex,F,1\n", "line 3 names 'F' of 'sex' again"),
        ("attribute,group,share\nage,F,1\n", "which is no attribute"),
        ("", "the header is empty"),
    ],
)
def test_a_file_of_shares_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "shares.csv").write_text(text)
    spec = from_dict(
        {"system": {"name": "s"},
         "data": {"columns": {"prediction": "p"}, "attributes": {"sex": {}}, "population": "shares.csv"}},
        base=tmp_path,
    )  # fmt: skip
    with pytest.raises(SpecError, match=words):
        spec.population()
    (tmp_path / "shares.csv").unlink()
    with pytest.raises(SpecError, match="cannot be read"):
        spec.population()


def test_the_schema_knows_tasks_utility_and_population() -> None:
    made = spec_schema()
    assert set(made["$defs"]["Data"]["properties"]["task"]["anyOf"][0]["enum"]) == set(TASKS)
    assert set(made["$defs"]["Utility"]["required"]) == {"tp", "fp", "fn", "tn"}
    assert made["$defs"]["Data"]["properties"]["population"]["anyOf"][0]["type"] == "object"
    assert "class" in made["$defs"]["RuleSpec"]["properties"]

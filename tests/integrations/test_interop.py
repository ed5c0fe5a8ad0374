"""From and to fairlearn, AIF360, scikit-learn and Hugging Face: the same groups, the same numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import audit
from audit.errors import DataError, UsageError
from audit.integrations import aif360 as with_aif360
from audit.integrations import fairlearn as with_fairlearn
from audit.integrations import huggingface
from audit.integrations.cells import WEIGHT, cells_of
from audit.integrations.sklearn import AuditReport, best_within, make_audit_scorer
from tests.needs import needs_extra

EXACT = 1e-12
GAP = {"id": "gap", "metric": "selection_rate", "comparison": "difference", "at_most": 0.1}
HOSTILE = '<script>alert("1")</script>|`=cmd()`\n---\n# 🦉'


def people(n: int = 900, seed: int = 3) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    sex = chance.choice(["Female", "Male"], n)
    race = chance.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    site = chance.choice(["north", "south"], n)
    label = chance.random(n) < 0.5
    approved = chance.random(n) < np.where(label, 0.7, 0.3) - np.where(sex == "Female", 0.15, 0.0)
    rows = {"sex": sex, "race": race, "site": site, "y": label.astype(int), "p": approved.astype(int)}
    return pd.DataFrame(rows)


def audited(frame: pd.DataFrame, **options: Any) -> audit.Audit:
    given: dict[str, Any] = {"label": "y", "prediction": "p", "sensitive": ["sex", "race"], "rules": [GAP]}
    return audit.audit(frame, **given | options)


def values(done: audit.Audit) -> dict[Any, Any]:
    return {(e.metric, e.grouping, e.group): (e.value, e.low, e.high, e.n) for e in done.result.estimates}


class TestFairlearn:
    @pytest.fixture
    def fairlearn(self) -> Any:
        return needs_extra("fairlearn.metrics")

    def frame(self, fairlearn: Any, rows: pd.DataFrame, metrics: Any, **features: Any) -> Any:
        given = {"sensitive_features": rows[["sex", "race"]], **features}
        return fairlearn.MetricFrame(metrics=metrics, y_true=rows.y, y_pred=rows.p, **given)

    def test_from_counts_is_the_audit_of_the_rows(self, fairlearn: Any) -> None:
        rows = people()
        made = with_fairlearn.from_metric_frame(
            self.frame(fairlearn, rows, with_fairlearn.counting()), rules=[GAP]
        )
        assert values(made) == values(audited(rows))
        assert made.result.findings == audited(rows).result.findings

    def test_from_rates(self, fairlearn: Any) -> None:
        rows = people()
        metrics = {"count": fairlearn.count, "selection_rate": fairlearn.selection_rate}
        made = with_fairlearn.from_metric_frame(self.frame(fairlearn, rows, metrics), rules=[GAP])
        assert values(made) == values(audited(rows, label=None))

    def test_a_combination_of_nobody_is_nobody(self, fairlearn: Any) -> None:
        rows = people()
        rows = rows[(rows.sex != "Female") | (rows.race != "c")]
        frame = self.frame(fairlearn, rows, with_fairlearn.counting())
        assert frame.by_group.isna().any(axis=None)
        made = with_fairlearn.from_metric_frame(frame)
        assert made.result.data.rows_audited == len(rows)

    def test_control_features(self, fairlearn: Any) -> None:
        rows = people()
        frame = self.frame(fairlearn, rows, with_fairlearn.counting(), control_features=rows[["site"]])
        made = with_fairlearn.from_metric_frame(frame)
        assert made.result.data.control == ("site",)
        assert values(made) == values(audited(rows, control=["site"], rules=[]))
        back = with_fairlearn.to_metric_frame(made, fairlearn.selection_rate)
        assert back.control_levels == ["site"]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_to(self, fairlearn: Any, weighted: bool) -> None:
        rows = people()
        metrics = {
            name: getattr(fairlearn, name)
            for name in ("selection_rate", "true_positive_rate", "false_positive_rate")
        }
        rows["w"] = np.random.default_rng(1).integers(1, 9, len(rows)) / 4 if weighted else 1.0
        done = audited(rows, **({"weight": "w", "weights": "sampling"} if weighted else {}))
        made = with_fairlearn.to_metric_frame(done, metrics)
        theirs = self.frame(
            fairlearn, rows, metrics, sample_params={name: {"sample_weight": rows.w} for name in metrics}
        )
        pd.testing.assert_frame_equal(made.by_group, theirs.by_group, rtol=EXACT, check_names=False)
        for name in metrics:
            assert made.overall[name] == pytest.approx(theirs.overall[name], abs=EXACT)

    @pytest.mark.parametrize(
        ("metrics", "words"),
        [({"accuracy": "accuracy"}, "no counts"), ({"count": "count"}, "no counts"), (None, "one metric")],
    )
    def test_no_counts_are_guessed(self, fairlearn: Any, metrics: Any, words: str) -> None:
        chosen = {"accuracy": lambda y, p: 0.5, "count": fairlearn.count}
        given = fairlearn.count if metrics is None else {name: chosen[name] for name in metrics}
        with pytest.raises(UsageError, match=words):
            with_fairlearn.from_metric_frame(self.frame(fairlearn, people(), given))

    def test_weighted_rates_are_no_counts(self, fairlearn: Any) -> None:
        rows = people()
        metrics = {"count": fairlearn.count, "selection_rate": fairlearn.selection_rate}
        weights = {"selection_rate": {"sample_weight": np.linspace(1, 2, len(rows))}}
        with pytest.raises(DataError, match="whole"):
            with_fairlearn.from_metric_frame(self.frame(fairlearn, rows, metrics, sample_params=weights))

    def test_a_metric_that_takes_no_weight(self, fairlearn: Any) -> None:
        with pytest.raises(UsageError, match="sample_weight"):
            with_fairlearn.to_metric_frame(audited(people()), fairlearn.count)

    def test_unlabelled_rows_are_left_out_knowingly_only(self, fairlearn: Any) -> None:
        rows = people().astype({"y": "Int8"})
        rows.loc[:9, "y"] = pd.NA
        with pytest.raises(DataError, match="10 rows have no"):
            with_fairlearn.to_metric_frame(audited(rows), fairlearn.selection_rate)
        made = with_fairlearn.to_metric_frame(audited(rows), fairlearn.selection_rate, leave_out=True)
        assert made.overall == pytest.approx(rows.p[10:].mean(), abs=EXACT)


class TestAif360:
    @pytest.fixture
    def theirs(self) -> tuple[Any, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            needs_extra("aif360")
            return needs_extra("aif360.datasets"), needs_extra("aif360.metrics")

    def datasets(self, theirs: Any, rows: pd.DataFrame, **options: Any) -> tuple[Any, Any]:
        table = pd.DataFrame({"sex": (rows.sex == "Male").astype(float), "y": rows.y, "p": rows.p}).astype(
            float
        )
        made = [
            theirs[0].BinaryLabelDataset(
                df=table[["sex", column]].rename(columns={column: "y"}),
                label_names=["y"],
                protected_attribute_names=["sex"],
                privileged_protected_attributes=[[1.0]],
                unprivileged_protected_attributes=[[0.0]],
                metadata={"protected_attribute_maps": [{1.0: "Male", 0.0: "Female"}]},
                **options,
            )
            for column in ("y", "p")
        ]
        return made[0], made[1]

    def test_from(self, theirs: Any) -> None:
        rows = people()
        made = with_aif360.from_dataset(*self.datasets(theirs, rows), rules=[GAP])
        assert values(made) == values(audited(rows, sensitive={"sex": {"reference": "Male"}}))
        assert {c.reference for c in made.result.comparisons} == {"Male"}

    def test_labels_alone_are_the_decisions(self, theirs: Any) -> None:
        rows = people()
        made = with_aif360.from_dataset(self.datasets(theirs, rows)[1], rules=[GAP])
        expected = audited(rows, label=None, sensitive={"sex": {"reference": "Male"}})
        assert made.result.findings == expected.result.findings

    def test_weights(self, theirs: Any) -> None:
        rows = people().assign(w=lambda f: np.linspace(0.5, 2, len(f)))
        true, predicted = self.datasets(theirs, rows)
        true.instance_weights = rows.w.to_numpy()
        made = with_aif360.from_dataset(true, predicted)
        weighted = {"weight": "w", "weights": "sampling", "rules": []}
        assert values(made) == values(audited(rows, sensitive={"sex": {"reference": "Male"}}, **weighted))

    @pytest.mark.parametrize("outcome", ["favourable", "adverse"])
    def test_to(self, theirs: Any, outcome: str) -> None:
        rows = people()
        done = audited(rows, sensitive={"sex": {"reference": "Male"}}, outcome=outcome)
        made = with_aif360.to_dataset(done, privileged={"sex": "Male"}, labels="prediction")
        groups = {"privileged_groups": [{"sex": 1.0}], "unprivileged_groups": [{"sex": 2.0}]}
        theirs_said = theirs[1].BinaryLabelDatasetMetric(made, **groups).mean_difference()
        (ours,) = (c.value for c in done.result.comparisons)
        assert ours is not None
        assert theirs_said == pytest.approx(ours if outcome == "favourable" else -ours, abs=EXACT)
        back = with_aif360.from_dataset(made, outcome=outcome)
        assert back.result.data.attributes[0].values == ("Female", "Male")

    def test_what_is_wrong_is_said(self, theirs: Any) -> None:
        done = audited(people())
        with pytest.raises(UsageError, match="no value 'Man'"):
            with_aif360.to_dataset(done, privileged={"sex": "Man"})
        with pytest.raises(UsageError, match="Allowed"):
            with_aif360.to_dataset(done, privileged={"sex": "Male"}, labels="scores")
        true, predicted = self.datasets(theirs, people())
        predicted.instance_names = predicted.instance_names[::-1]
        with pytest.raises(DataError, match="same rows"):
            with_aif360.from_dataset(true, predicted)


class TestScikitLearn:
    def rows(self) -> tuple[pd.DataFrame, pd.Series]:
        chance = np.random.default_rng(5)
        sex = chance.choice(["Female", "Male"], 1200)
        x = chance.normal(size=1200)
        y = pd.Series((x + 0.8 * (sex == "Male") + chance.normal(size=1200) > 0.4).astype(int))
        return pd.DataFrame({"x": x, "is_male": (sex == "Male").astype(float), "sex": sex}), y

    def test_the_margin_is_the_distance_from_the_bound(self) -> None:
        X, y = self.rows()

        class Constant:
            def predict(self, X: pd.DataFrame) -> Any:
                return np.where(X.sex == "Male", np.arange(len(X)) % 2, (np.arange(len(X)) % 4) == 0).astype(
                    int
                )

        def rate(sex: str) -> float:
            return float(Constant().predict(X)[X.sex == sex].mean())

        expected = 0.1 - abs(rate("Female") - rate("Male"))
        assert make_audit_scorer(GAP, sensitive="sex")(Constant(), X, y) == pytest.approx(expected, abs=EXACT)
        by_evidence = make_audit_scorer(GAP, sensitive="sex", by="evidence")(Constant(), X, y)
        assert by_evidence < expected

    @pytest.mark.parametrize("gap", [0.0, 0.04, 0.3])
    def test_evidence_is_at_least_zero_exactly_where_the_rule_passes(self, gap: float) -> None:
        sex = np.repeat(["Female", "Male"], 4000)
        rate = np.tile(np.arange(4000) / 4000, 2)
        X = pd.DataFrame({"sex": sex, "p": (rate < np.where(sex == "Male", 0.5, 0.5 - gap)).astype(int)})

        class Given:
            def predict(self, X: pd.DataFrame) -> Any:
                return X.p.to_numpy()

        y = X.p
        done = audit.audit(X.assign(y=y), label="y", prediction="p", sensitive="sex", rules=[GAP])
        score = make_audit_scorer(GAP, sensitive="sex", by="evidence")(Given(), X, y)
        assert (score >= 0) == (done.verdict == "pass")

    def test_a_search(self) -> None:
        X, y = self.rows()
        features = X[["x", "is_male"]]
        columns = {"all": ["x", "is_male"], "without": ["x"]}
        model = make_pipeline(FunctionTransformer(), LogisticRegression())
        choices = [FunctionTransformer(pd.DataFrame.filter, kw_args={"items": c}) for c in columns.values()]
        search = GridSearchCV(
            model,
            {"functiontransformer": choices},
            scoring={"accuracy": "accuracy", "gap": make_audit_scorer(GAP, sensitive=X[["sex"]])},
            refit=best_within("accuracy", ["gap"]),
            cv=3,
        ).fit(features, y)
        accuracy, gap = (search.cv_results_[f"mean_test_{name}"] for name in ("accuracy", "gap"))
        assert accuracy[0] > accuracy[1]
        assert gap[0] < 0 < gap[1]
        assert search.best_index_ == 1

    def test_nobody_within_is_an_error(self) -> None:
        results = {"mean_test_a": np.array([0.9, 0.8]), "mean_test_gap": np.array([-0.1, np.nan])}
        with pytest.raises(DataError, match="no candidate"):
            best_within("a", ["gap"])(results)
        results["mean_test_gap"] = np.array([-0.1, 0.0])
        assert best_within("a", ["gap"])(results) == 1

    def test_undefined_is_no_score(self) -> None:
        X, y = self.rows()
        one = X[X.sex == "Male"]

        class Yes:
            def predict(self, X: pd.DataFrame) -> Any:
                return np.ones(len(X), dtype=int)

        assert np.isnan(make_audit_scorer(GAP, sensitive="sex")(Yes(), one, y[X.sex == "Male"]))

    def test_what_is_wrong_is_said(self) -> None:
        X, y = self.rows()
        with pytest.raises(UsageError, match="no column 'gender'"):
            make_audit_scorer(GAP, sensitive="gender")(LogisticRegression(), X, y)
        with pytest.raises(DataError, match="not in `sensitive`"):
            make_audit_scorer(GAP, sensitive=X[["sex"]].iloc[:5])(LogisticRegression(), X, y)
        with pytest.raises(UsageError, match="Allowed"):
            make_audit_scorer(GAP, sensitive="sex", by="hope")

    def test_a_report(self) -> None:
        rows = people()
        made = AuditReport.from_predictions(rows.y, rows.p, sensitive=rows[["sex", "race"]], rules=[GAP])
        table = made.to_frame()
        assert table.loc[("sex", "Male"), "selection_rate"] == rows[rows.sex == "Male"].p.mean()
        assert table.loc[("everyone", ""), "rows"] == len(rows)
        text = str(made)
        assert f"{made.audit.verdict.value}:" in text
        assert "Female" in text
        alone = AuditReport.from_predictions(rows.y, rows.p, sensitive=rows.sex)
        assert "no rules, so nothing was judged" in str(alone)


class TestHuggingFace:
    def test_a_card_keeps_what_it_had(self, tmp_path: Path) -> None:
        done = audited(people())
        path = tmp_path / "README.md"
        path.write_text("---\nlicense: mit # ours\ntags: [x]\n---\n# My model\n\nWords.\n", encoding="utf-8")
        huggingface.put(done, path, project=tmp_path)
        text = path.read_text(encoding="utf-8")
        assert "license: mit # ours\n" in text
        assert "# My model\n\nWords.\n\n<!-- harm-audit -->\n" in text
        _, front, _ = text.split("---\n", 2)
        (model,) = YAML(typ="safe").load(front)["model-index"]
        assert model["name"].startswith("DRAFT ")
        rates = {
            (entry["dataset"].get("args") or {}).get("sex"): entry["metrics"][0]["value"]
            for entry in model["results"]
            if entry["metrics"][0]["type"] == "selection_rate"
        }
        assert rates["Male"] == people().query("sex == 'Male'").p.mean()
        huggingface.put(done, path, project=tmp_path)
        assert path.read_text(encoding="utf-8") == text

    def test_hostile_names_stay_text(self, tmp_path: Path) -> None:
        rows = people().assign(sex=lambda f: f.sex.replace("Female", HOSTILE))
        done = audited(rows, name=HOSTILE)
        text = huggingface.card(done, project=tmp_path)
        assert "<script" not in text.split("---\n", 2)[2]
        assert len(YAML(typ="safe").load(text.split("\n---\n")[0].removeprefix("---\n"))["model-index"]) == 1
        assert huggingface.card(done, text, project=tmp_path) == text

    @pytest.mark.parametrize("front", ["- a\n", "a: [\n"])
    def test_a_front_matter_that_is_none(self, front: str, tmp_path: Path) -> None:
        path = tmp_path / "README.md"
        path.write_text(f"---\n{front}---\nbody\n", encoding="utf-8")
        with pytest.raises(UsageError, match="front matter"):
            huggingface.put(audited(people()), path, project=tmp_path)
        assert path.read_text(encoding="utf-8") == f"---\n{front}---\nbody\n"


class TestTables:
    def test_cells_add_up_to_the_rows(self) -> None:
        rows = people()
        for grouping in (None, ["race"], ["race", "sex"]):
            cells = cells_of(audited(rows), grouping)
            assert cells[WEIGHT].sum() == len(rows)
            assert list(cells.columns[:-3]) == (grouping or ["sex", "race"])
        with pytest.raises(UsageError, match="no cells of"):
            cells_of(audited(rows), ["age"])

    @pytest.mark.parametrize("what", ["findings", "comparisons", "estimates", "cells", "rules"])
    def test_the_same_table_in_three_shapes(self, what: str) -> None:
        done = audited(people(), rules=[GAP, {"metric": "equal_opportunity", "at_most": 0.05}])
        plain = done.to_frame(what)
        arrow, polars = done.to_arrow(what), done.to_polars(what)
        assert arrow.column_names == polars.columns == list(plain.columns)
        listed = plain.astype(object).where(plain.notna(), None).to_dict("records")
        assert polars.to_dicts() == listed
        assert arrow.to_pylist() == listed


class TestNotebook:
    def test_each_shows_itself(self) -> None:
        done = audited(people())
        finding, comparison = done.result.findings[0], done.result.comparisons[0]
        assert finding.why.split(":")[0] in finding._repr_html_()
        assert "Male against Female" in comparison._repr_html_()
        assert "rows audited" in done.result._repr_html_()
        for shown in (finding, comparison, done.result):
            assert len(shown._repr_html_()) < 6000

    @pytest.mark.browser
    def test_hostile_text_does_nothing(self, browser: Any) -> None:
        rows = people().assign(
            sex=lambda f: f.sex.replace("Female", "<img src=x onerror=document.title='hit'>")
        )
        done = audited(rows, name=HOSTILE, rules=[{**GAP, "id": HOSTILE.replace("\n", " ")}])
        parts = [done.result, *done.result.findings, *done.result.comparisons, done]
        asked: list[str] = []
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.set_content("".join(part._repr_html_() for part in parts))
        assert page.title() == ""
        assert page.locator("script, img").count() == 0
        assert asked == []
        page.close()

    def test_figures_of_small_groups_stay_out_of_a_rules_words(self) -> None:
        rows = people(40)
        done = audited(rows, rules=[GAP], suppress_below=30)
        assert all(rule.why not in done.result._repr_html_() for rule in done.result.rules)


@pytest.mark.parametrize(
    ("kind", "words"), [("lazy", r"frame\.collect\(\)"), ("reader", r"reader\.read_all\(\)")]
)
def test_what_is_no_table_yet_says_how_it_becomes_one(kind: str, words: str) -> None:
    needs_extra("polars")
    import polars

    frame = polars.DataFrame({"g": ["a", "b"], "p": [0, 1]})
    given = frame.lazy() if kind == "lazy" else frame.to_arrow().to_reader()
    with pytest.raises(UsageError, match=words):
        audit.audit(given, prediction="p", sensitive=["g"], rules=["four_fifths"])

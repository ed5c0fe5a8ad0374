"""The monitoring examples: rules that promtool takes, metrics that exist, events that end in an alarm."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.architecture.modules import ROOT
from tests.monitor import test_scores
from tests.monitor.project import make_project, opened, write_days
from tests.needs import needs_extra, needs_promtool

HERE = ROOT / "examples" / "monitoring"
SELECTOR = re.compile(r"(harm_audit_[a-z_]+)(\{[^}]*\})?")
MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
BY = re.compile(r"by \(([^)]*)\)")


def test_promtool_takes_the_rules_and_the_scrape_job(tmp_path):
    for name in ("alerts.yml", "prometheus.yml"):
        shutil.copy(HERE / name, tmp_path)
    text = (tmp_path / "prometheus.yml").read_text()
    (tmp_path / "token").write_text("x" * 20)
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/harm-audit-token", "token"))
    for what in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        command = [needs_promtool(), "check", *what]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def printed(project, folder, days):
    """What `/metrics` of the service answers after so many days: by name the labels of each sample."""
    httpx = needs_extra("httpx")
    parser = needs_extra("prometheus_client.parser")
    from audit.monitor.guard import Listening
    from audit.monitor.server import Service

    watch = project(folder)
    days(watch.folder)
    service = Service(watch, Listening("127.0.0.1", 0, None))
    service.keeper.look()
    assert service.keeper.problems == ()

    async def ask():
        transport = httpx.ASGITransport(app=service)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/metrics")

    text = asyncio.run(ask()).text
    watch.close()
    families = list(parser.text_string_to_metric_families(text))
    found = {sample.name: [] for family in families for sample in family.samples}
    for family in families:
        # What is counted by reason or status has no sample until there is one.
        found.setdefault(family.name + ("_total" if family.type == "counter" else ""), [])
        for sample in family.samples:
            found[sample.name].append(sample.labels)
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Samples of a system with labels and of one with scores."""
    labelled, scored = tmp_path_factory.mktemp("labels"), tmp_path_factory.mktemp("scores")
    make_project(labelled)
    test_scores.make(scored)
    found = printed(lambda folder: opened(folder, folder), labelled, lambda logs: write_days(logs, 6))
    more = printed(
        lambda folder: test_scores.opened(folder, folder),
        scored,
        lambda logs: test_scores.write_days(logs, 6),
    )
    return {name: found.get(name, []) + more.get(name, []) for name in found | more}


DASHBOARD = json.loads((HERE / "grafana-dashboard.json").read_text())
RULES = YAML(typ="safe").load((HERE / "alerts.yml").read_text())["groups"][0]["rules"]
ASKED = {
    **{f"panel {p['id']} {t['refId']}": t for p in DASHBOARD["panels"] for t in p["targets"]},
    **{rule["alert"]: rule for rule in RULES},
}
EMPTY = {"harm_audit_events_rejected_total"}


@pytest.mark.parametrize("name", ASKED)
def test_rules_and_dashboard_ask_for_samples_that_are_printed(known, name):
    asked = ASKED[name]
    selectors = SELECTOR.findall(asked["expr"])
    assert selectors
    for metric, matchers in selectors:
        assert metric in known, metric
        left = known[metric]
        for label, sign, value in MATCHER.findall(matchers):
            pattern = re.compile(".*" if value.startswith("$") else value)
            left = [
                labels
                for labels in left
                if label in labels and bool(pattern.fullmatch(labels[label])) == (sign in ("=", "=~"))
            ]
        assert left or metric in EMPTY, f"{metric}{matchers} selects nothing"
        grouped = {label for words in BY.findall(asked["expr"]) for label in words.split(", ")}
        assert all(grouped <= labels.keys() for labels in left)
        said = json.dumps([asked.get("legendFormat", ""), asked.get("annotations", {})])
        shown = set(re.findall(r"\$labels\.([a-z_]+)", said))
        shown |= set(re.findall(r"{{([a-z_]+)}}", asked.get("legendFormat", "")))
        assert all(shown <= (grouped or labels.keys()) for labels in left)


def test_every_metric_of_scores_is_on_the_dashboard_and_in_the_rules(known):
    scores = {"score_ks", "mean_score", "scoring_rate"}
    assert scores <= {labels["metric"] for labels in known["harm_audit_alarm_active"]}
    selected = {
        labels["metric"]
        for panel in DASHBOARD["panels"]
        if panel["id"] in (11, 12)
        for target in panel["targets"]
        for metric, matchers in SELECTOR.findall(target["expr"])
        for labels in known[metric]
        if all(
            bool(re.fullmatch(value, labels[label])) == (sign in ("=", "=~"))
            for label, sign, value in MATCHER.findall(matchers)
            if not value.startswith("$")
        )
    }
    assert selected == scores
    panels = json.dumps(DASHBOARD)
    asked = {metric for metric, _ in SELECTOR.findall(json.dumps(DASHBOARD["templating"]))}
    assert asked
    assert asked <= known.keys()
    assert all(name in panels for name in known if "score" in name)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_two_panels_lie_on_each_other():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.slow
def test_the_pages_walk_ends_in_an_alarm(tmp_path):
    def run(*words, code=0):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    run("-m", "audit", "demo", "--out", ".", "--quiet")
    run("make_events.py", "logs")
    assert "52 streams" in run("-m", "audit", "monitor", "baseline", "evidence")
    said = run("-m", "audit", "monitor", "check", code=1)
    assert "sex=Female" in said
    assert "VIOLATION" in said
    again = json.loads(run("-m", "audit", "monitor", "status", "--json"))
    replayed = json.loads(
        run("-m", "audit", "monitor", "replay", "logs", "--baseline", "evidence", "--json", code=1)
    )
    alarms = [{a["id"] for a in doc["alarms"] if a["kind"] == "disparity"} for doc in (again, replayed)]
    assert alarms[0] <= alarms[1]
    assert alarms[0]

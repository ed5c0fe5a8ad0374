"""The monitoring examples: rules that promtool takes, metrics that exist, events that end in an alarm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.architecture.modules import ROOT
from tests.monitor.project import make_project, opened, write_days
from tests.needs import needs_extra, needs_promtool

HERE = ROOT / "examples" / "monitoring"
NAME = re.compile(r"harm_audit_[a-z_]+")


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


def test_rules_and_dashboard_ask_for_metrics_that_exist(tmp_path):
    needs_extra("prometheus_client")
    from audit.monitor.exporter import Traffic, render

    watch = opened(make_project(tmp_path), tmp_path)
    write_days(tmp_path / "logs", 6)
    watch.ingest(whole=True)
    found = watch.evaluate(now=1_767_225_600 + 6 * 86_400 + 7_200)
    text = render(found, found.tallies, Traffic({"401": 1}, 0, 0)).decode()
    known = set(re.findall(r"# TYPE (harm_audit_[a-z_]+)", text))
    known |= {f"{name}_bucket" for name in known}
    asked = set(NAME.findall((HERE / "alerts.yml").read_text()))
    dashboard = json.loads((HERE / "grafana-dashboard.json").read_text())
    asked |= set(NAME.findall(json.dumps(dashboard)))
    assert len(asked) > 10
    assert asked <= known, asked - known
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


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

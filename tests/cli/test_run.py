"""`run` and `init` on files good and bad: the verdict first, everything written or nothing."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit import bundle, codec
from audit.cli.main import main
from audit.result import AuditResult
from audit.spec import load
from tests.cli.conftest import SPEC, rows, write_rows

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def result_in(folder: Path) -> AuditResult:
    return codec.loads(AuditResult, (folder / "audit.json").read_bytes(), where="audit.json")


class TestRun:
    def test_the_verdict_comes_first_and_the_report_last(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["run", "--out", "out"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "✗ VIOLATION: credit 1"
        assert "Report: out/report.html" in lines
        assert lines[-1] == "exit 0: not gated"
        assert max(len(line) for line in lines if not line.startswith("Bundle: ")) <= 80
        assert bundle.verify(place / "out").ok
        names = {path.name for path in (place / "out").iterdir()}
        assert names == {
            "audit.json",
            "counts.parquet",
            "report.html",
            "summary.md",
            "junit.xml",
            "results.sarif",
            "manifest.json",
        }

    @pytest.mark.parametrize(("gap", "n", "code"), [(0.2, 1200, 1), (0.0, 4000, 0), (0.02, 150, 3)])
    def test_gated_it_ends_as_the_gate_does(self, place: Path, gap: float, n: int, code: int) -> None:
        write_rows(place / "rows.csv", rows(n, gap))
        assert main(["run", "--out", "out", "--gate"]) == code
        assert main(["gate", "out", "--spec", "audit.yaml"]) == code

    def test_inconclusive_may_open_with_words(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_rows(place / "rows.csv", rows(150, 0.02))
        assert main(["run", "--out", "out", "--gate", "--on-inconclusive", "warn"]) == 0
        assert "lets the gate open all the same" in capsys.readouterr().out.splitlines()[-1]

    @pytest.mark.parametrize(("options", "code"), [([], 0), (["--gate"], 1)])
    def test_json(
        self, place: Path, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["run", "--out", "out", "--json", *options]) == code
        said = json.loads(capsys.readouterr().out)
        assert (said["verdict"], said["exit_code"], said["gated"]) == ("violation", code, bool(options))
        assert said["bundle_id"] == bundle.read(place / "out").id

    def test_quiet_is_one_line(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["run", "--out", "out", "--quiet"]) == 0
        said = capsys.readouterr()
        assert (len(said.out.splitlines()), said.err) == (1, "")

    def test_explain_shows_the_sql_and_writes_nothing(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = sorted(place.rglob("*"))
        assert main(["run", "--explain"]) == 0
        said = capsys.readouterr().out
        assert "rows.csv" in said
        assert "SELECT" in said
        assert sorted(place.rglob("*")) == before

    def test_the_baseline_may_be_the_bundle_that_is_replaced(self, place: Path) -> None:
        assert main(["run", "--out", "out"]) == 0
        write_rows(place / "rows.csv", rows(4000))
        assert main(["run", "--out", "out", "--baseline-bundle", "out"]) == 0
        assert "was violation, is pass" in (place / "out/summary.md").read_text()

    def test_looks_are_counted_and_cost(self, place: Path) -> None:
        seen = []
        for _ in range(3):
            assert main(["run", "--out", "out", "--history", "looks.jsonl"]) == 0
            policy = result_in(place / "out").policy
            seen.append((policy.look, round(policy.alpha, 9)))
        assert seen == [(1, 0.025), (2, round(0.05 / 6, 9)), (3, round(0.05 / 12, 9))]
        assert result_in(place / "out").data.digest is not None
        assert main(["gate", "out", "--spec", "audit.yaml"]) == 1
        write_rows(place / "rows.csv", rows(1300))
        assert main(["run", "--out", "out", "--history", "looks.jsonl"]) == 0
        assert result_in(place / "out").policy.look == 1
        assert len((place / "looks.jsonl").read_text().splitlines()) == 4

    def test_a_history_that_cannot_be_read_stops_the_run(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (place / "looks.jsonl").write_text("what?\n")
        assert main(["run", "--out", "out", "--history", "looks.jsonl"]) == 4
        assert "looks.jsonl:1" in capsys.readouterr().err
        assert not (place / "out").exists()

    def test_it_does_not_overwrite_what_is_no_bundle(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (place / "src").mkdir()
        (place / "src/main.py").write_text("x")
        assert main(["run", "--out", "src"]) == 4
        assert "no bundle" in capsys.readouterr().err
        assert [path.name for path in (place / "src").iterdir()] == ["main.py"]

    def test_another_model_of_the_same_name_does_not_pass(self, place: Path) -> None:
        write_rows(place / "rows.csv", rows(4000))
        (place / "model.bin").write_bytes(b"one")
        (place / "audit.yaml").write_text(SPEC.replace('version: "1"', 'version: "1", model: model.bin'))
        assert main(["run", "--out", "out", "--gate"]) == 0
        assert main(["gate", "out", "--model", "model.bin"]) == 0
        assert main(["gate", "out"]) == 3
        (place / "model.bin").write_bytes(b"two")
        assert main(["gate", "out", "--model", "model.bin"]) == 3


BOMB = "  a0: &a0 [x, x]\n" + "".join(
    f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
HEADER = "sex,repaid,approved,p_repay\n"
BAD = {
    "no such file": (None, None, 2, "rows.csv"),
    "empty": ("", None, 4, "empty"),
    "header only": (HEADER, None, 4, ""),
    "binary rubbish": (random.Random(1).randbytes(4000), None, 4, ""),
    "missing column": ("gender,repaid,approved,p_repay\nF,1,1,0.5\n" * 1, None, 2, "sex"),
    "nan scores": (HEADER + "F,1,1,nan\nM,0,0,0.5\n" * 50, None, 4, "p_repay"),
    "infinite scores": (HEADER + "F,1,1,inf\nM,0,0,0.5\n" * 50, None, 4, "p_repay"),
    "continuous prediction": (
        HEADER + "".join(f"{'FM'[i % 2]},{i % 2},{i / 200},0.5\n" for i in range(100)),
        None,
        4,
        "threshold",
    ),
    "label with one value": (HEADER + "F,1,1,0.5\nM,1,0,0.4\n" * 50, None, 4, "one value"),
    "nan bound": (None, ("at_least: 0.8", "at_least: .nan"), 2, "audit.yaml:10"),
    "nan min_group": (None, ("policy:\n", "policy:\n  min_group: .nan\n"), 2, "audit.yaml"),
    "band without width": (None, ("at_least: 0.8", "at_least: 1.0"), 2, "audit.yaml:10"),
    "misspelt metric": (None, ("selection_rate", "selecton_rate"), 2, "selection_rate"),
    "duplicate keys": (
        None,
        ("policy:\n", "policy:\n  confidence: 0.9\n  confidence: 0.95\n"),
        2,
        "confidence",
    ),
    "yaml bomb": (None, ("policy:\n", f"monitor:\n{BOMB}policy:\n"), 2, "audit.yaml"),
    "not yaml": (None, ("system:", "system: [}"), 2, "audit.yaml"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_refused_in_words_and_nothing_is_written(
    case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, change, code, words = BAD[case]
    if change is not None:
        assert change[0] in SPEC
        (place / "audit.yaml").write_text(SPEC.replace(*change, 1))
    elif content is None:
        (place / "rows.csv").unlink()
    else:
        (place / "rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(place.rglob("*"))
    assert main(["run", "--out", "out"]) == code
    said = capsys.readouterr()
    assert "error: " in said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert "internal error" not in said.err
    assert said.out == ""
    assert sorted(place.rglob("*")) == before


def test_hostile_group_names_are_audited_and_shown_safely(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        "<script>alert(1)</script>",
        "=cmd()|'x'!A0",
        'a "quoted", one',
        "new\nline",
        "\x1b[31mred",
        "👩🏽‍🚀",
    ]
    data = [[names[i % len(names)], i % 2, (i // 2) % 2, 0.5] for i in range(2400)]
    write_rows(place / "rows.csv", data)
    assert main(["run", "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert not re.search("<script>alert", (place / "out/report.html").read_text())
    assert set(names) == {value for a in result_in(place / "out").data.attributes for value in a.values}


FORKS = """
import os, sys
import audit.api
from audit.cli.main import main
while sys.stdin.readline():
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(["run", "--out", "out", "--quiet"]))
    print(pid, flush=True)
    sys.stdin.readline()
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""
"""Runs the command in a child of a process that has the libraries loaded, so that fifty runs take seconds."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are not there")
def test_fifty_kills_leave_no_half_written_bundle(place: Path) -> None:
    chance = random.Random(20261122)
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        cwd=place,
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None

    def start() -> int:
        print("go", file=parent.stdin, flush=True)
        return int(parent.stdout.readline())  # type: ignore[union-attr]

    def reap() -> None:
        print("reap", file=parent.stdin, flush=True)
        assert parent.stdout.readline() == "gone\n"  # type: ignore[union-attr]

    def whole_run() -> float:
        begun = time.monotonic()
        start()
        reap()
        return time.monotonic() - begun

    length = max(whole_run() for _ in range(2))
    for _ in range(50):
        pid = start()
        time.sleep(length * chance.uniform(0.3, 1.0))
        os.kill(pid, signal.SIGKILL)
        reap()
        assert bundle.verify(place / "out").ok
        left = {path.name for path in place.iterdir()} - {"audit.yaml", "rows.csv", "out"}
        assert left <= {".out.previous", ".out.unfinished"}
    whole_run()
    assert {path.name for path in place.iterdir()} == {"audit.yaml", "rows.csv", "out"}
    parent.communicate("", timeout=20)
    assert parent.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on file size")
@pytest.mark.parametrize("existing", [True, False])
def test_a_disk_that_fills_up_leaves_what_was(place: Path, existing: bool) -> None:
    if existing:
        assert main(["run", "--out", "out", "--quiet"]) == 0
    before = {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "from audit.cli.main import main; sys.exit(main(['run', '--out', 'out']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert (place / "out").exists() == existing


class TestInit:
    def test_what_it_writes_is_loaded_and_run(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["init", "rows.csv", "--out", "new.yaml"]) == 0
        text = (place / "new.yaml").read_text()
        assert text.startswith("# yaml-language-server: $schema=audit.schema.json\n")
        spec = load(place / "new.yaml")
        columns = spec.data.columns
        assert (columns.label, columns.prediction, columns.score) == ("repaid", "approved", "p_repay")
        assert spec.data.attributes["sex"].as_ == "sex"
        assert [rule.metric for rule in spec.policy.rules] == [
            "selection_rate",
            "true_positive_rate",
            "false_positive_rate",
        ]
        assert main(["run", "new.yaml", "--out", "out", "--gate"]) == 1

    def test_it_overwrites_only_when_asked(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["init", "rows.csv"]) == 2
        assert "--force" in capsys.readouterr().err
        assert (place / "audit.yaml").read_text() == SPEC
        assert main(["init", "rows.csv", "--force"]) == 0
        assert (place / "audit.yaml").read_text() != SPEC

    @pytest.mark.parametrize("kind", ["tsv", "csv.gz", "parquet", "jsonl", "feather"])
    def test_each_kind_of_file(self, place: Path, kind: str) -> None:
        import pandas as pd

        frame = pd.DataFrame(rows(300), columns=["sex", "repaid", "approved", "p_repay"])
        path = place / f"data.{kind}"
        match kind:
            case "tsv":
                frame.to_csv(path, sep="\t", index=False)
            case "csv.gz":
                path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
            case "parquet":
                frame.to_parquet(path)
            case "jsonl":
                frame.to_json(path, orient="records", lines=True)
            case "feather":
                frame.to_feather(path)
        assert main(["init", str(path), "--out", "new.yaml"]) == 0
        columns = load(place / "new.yaml").data.columns
        assert (columns.label, columns.prediction, columns.score) == ("repaid", "approved", "p_repay")

    def test_odd_names_are_quoted(self, place: Path) -> None:
        (place / "odd.csv").write_text(
            'Sex: "all" #1,y_true,Pred-Label,yes\n' + "f,0,1,1\nm,1,0,2\n" * 60, encoding="utf-8"
        )
        assert main(["init", "odd.csv", "--out", "new.yaml"]) == 0
        spec = load(place / "new.yaml")
        assert (spec.data.columns.label, spec.data.columns.prediction) == ("y_true", "Pred-Label")
        assert len(spec.data.attributes) == 1

    def test_it_says_what_it_could_not_guess(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (place / "plain.csv").write_text("a,b\n" + "x,1\ny,2\nz,3\n" * 30)
        assert main(["init", "plain.csv", "--out", "new.yaml"]) == 0
        said = capsys.readouterr().out
        for what in ("prediction", "label", "sensitive attribute"):
            assert f"No column looks like a {what}" in said
        assert "CHECK" in (place / "new.yaml").read_text()

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("none.csv", None, 2),
            ("empty.csv", b"", 4),
            ("header.csv", b"a,b\n", 4),
            ("rubbish.parquet", b"PAR1 rubbish PAR1", 4),
            ("rubbish.feather", b"\x00\x01", 4),
            ("rubbish.jsonl", b"{{{", 4),
            ("what.xlsx", b"PK", 2),
            ("noending", b"a,b\n1,2\n", 2),
        ],
    )
    def test_bad_files(
        self, place: Path, name: str, content: bytes | None, code: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if content is not None:
            (place / name).write_bytes(content)
        before = sorted(place.rglob("*"))
        assert main(["init", name, "--out", "new.yaml"]) == code
        said = capsys.readouterr().err
        assert name in said
        assert "Hint" in said
        assert "Traceback" not in said
        assert sorted(place.rglob("*")) == before

"""The command line as a whole: every end is an exit code with clear words, in a process of its own too."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from audit import registry, start
from audit.cli import interrupts, output
from audit.cli import main as module
from audit.cli.main import COMMANDS, main
from audit.errors import AuditError, DataError, OutputError

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def audit(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, **options.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.run(
        [sys.executable, "-m", "audit", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=environment,
        **options,  # type: ignore[call-overload]
    )


def audit_in_shell(typed: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    script = f"exec {sys.executable} -m audit {typed}"
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_help_names_every_command_in_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    with click.Context(module.cli) as context:
        for name, words in COMMANDS.items():
            command = module.cli.get_command(context, name)
            assert command is not None
            assert command.get_short_help_str(200) == words.rstrip(".") + "."
            assert name in said
            assert words in " ".join(said.split())


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Example:" in said
    assert f"harm-audit {name}" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gat"], "Did you mean gate?"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["gate"], "Missing argument"),
        (["gate", "x", "--nope"], "--nope"),
        (["gate", "x", "--max-age", "soon"], "soon"),
        (["gate", "x", "--on-inconclusive", "maybe"], "maybe"),
        (["--nope"], "--nope"),
        (["schema", "everything"], "everything"),
        (["explain", "selecton_rate"], "Did you mean selection_rate?"),
        (["run", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_the_command_says_wrongly_is_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "error: " in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_no_arguments_shows_the_help_and_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert "Commands:" in said.out + said.err


def _failing(error: BaseException) -> click.Command:
    @click.command("fails")
    def fails() -> None:
        raise error

    return fails


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("bad row", where="a.csv:3", hint="Mend it."), 4, "a.csv:3: bad row\n  Hint: Mend it."),
        (OutputError("disk full"), 4, "disk full"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            4,
            "error: No space left on device\n  Hint: Make room",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            4,
            "error: /x: Permission denied\n  Hint: ",
        ),
        (RuntimeError("boom\n\x1b[2J"), 4, "internal error: RuntimeError: boom \ufffd[2J\n"),
        (MemoryError(), 4, "out of memory"),
        (RecursionError("deep"), 4, "internal error"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half written"),
        (click.ClickException("odd"), 2, "odd"),
        (SystemExit(7), 7, ""),
    ],
)
def test_whatever_is_raised_becomes_a_code_and_words(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module.LazyGroup, "get_command", lambda *_: _failing(error))
    assert main(["doctor"]) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("terminal", "code"), [(True, 130), (False, 2)])
def test_an_end_of_input_is_an_interrupt_at_a_terminal_alone(
    terminal: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.LazyGroup, "get_command", lambda *_: _failing(click.Abort()))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal, raising=False)
    assert main(["doctor"]) == code


def test_debug_shows_the_traceback_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.LazyGroup, "get_command", lambda *_: _failing(RuntimeError("boom")))
    for arguments in (["--debug", "doctor"], ["doctor", "--debug"]):
        assert main(arguments) == 4
        assert "Traceback" in capsys.readouterr().err


def test_another_audit_in_our_place_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.audit, "__file__", "/usr/lib/python3/dist-packages/audit.py")
    assert main(["doctor"]) == 4
    assert "dist-packages/audit.py" in capsys.readouterr().err


class TestInAProcess:
    @pytest.mark.parametrize("arguments", [["--help"], ["gate", "BUNDLE"], ["verify", "BUNDLE"]])
    def test_starts_in_little_time_and_without_heavy_libraries(
        self, arguments: list[str], green: Path
    ) -> None:
        given = [str(green) if word == "BUNDLE" else word for word in arguments]
        heavy = "numpy pandas scipy pydantic ibis duckdb sklearn rich jinja2 pyarrow"
        script = (
            "import sys; from audit.cli.main import main; code = main(sys.argv[1:]);"
            f"print([m for m in '{heavy}'.split() if m in sys.modules], file=sys.stderr); sys.exit(code)"
        )
        best = 9.0
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-c", script, *given],
                capture_output=True,
                text=True,
                env=ENVIRONMENT,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.stderr.strip() == "[]"
        assert best < 0.4

    def test_ascii_terminals_get_ascii(self, red: Path) -> None:
        done = audit("gate", str(red), env={"PYTHONIOENCODING": "ascii"})
        assert done.returncode == 1
        assert done.stdout.isascii()
        assert done.stdout.startswith("x VIOLATION: credit 1")
        assert audit("gate", str(red)).stdout.startswith("✗ VIOLATION")

    def test_colour_only_where_it_is_wanted(self, red: Path) -> None:
        assert "\x1b" not in audit("gate", str(red)).stdout
        assert "\x1b" in audit("gate", str(red), env={"FORCE_COLOR": "1"}).stdout
        assert "\x1b" not in audit("gate", str(red), env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout

    def test_a_closed_pipe_keeps_the_code_and_says_nothing(self, red: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "audit", "gate", str(red)],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            check=False,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, b"")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
    def test_a_full_disk_behind_standard_output_is_an_error(self, green: Path) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "audit", "gate", str(green)],
                stdout=full,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                text=True,
                check=False,
            )
        assert done.returncode == 4
        assert "Traceback" not in done.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
    def test_closed_streams_change_no_code(self, red: Path, closed: str) -> None:
        for words, code in ((f"gate {red}", 1), ("metrics", 0)):
            done = audit_in_shell(f"{words} {closed}")
            assert done.returncode == code, done.stderr
            assert "error" not in done.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
    @pytest.mark.parametrize("given", ["<&-", "</dev/null"])
    @pytest.mark.parametrize("words", ["choose", "checklist answer SCOPE", "harms brainstorm --by Ada"])
    def test_a_question_where_nobody_answers(self, place: Path, given: str, words: str) -> None:
        assert main(["checklist", "new"]) == 0
        done = audit_in_shell(f"{words} {given}", place)
        assert done.returncode == 2, done.stderr
        assert "the input ended at a question\n  Hint: " in done.stderr

    def test_completion_completes(self) -> None:
        environment = {
            "_HARM_AUDIT_COMPLETE": "bash_complete",
            "COMP_WORDS": "harm-audit ga",
            "COMP_CWORD": "1",
        }
        assert audit(env=environment).stdout.split(",")[-1].strip() == "gate"

    @pytest.mark.parametrize("words", [["init", "{}"], ["run", "{}"], ["choose", "--answers", "{}"]])
    def test_a_folder_that_is_gone(self, words: list[str], tmp_path: Path, place: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        typed = " ".join(word.format(place / "rows.csv") for word in words)
        script = f"rmdir {gone}; exec {sys.executable} -m audit {typed}"
        done = subprocess.run(
            ["sh", "-c", script], cwd=gone, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert done.returncode in (2, 4)
        assert "internal error" not in done.stderr

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion_scripts_are_scripts(self, shell: str) -> None:
        done = audit("completion", shell)
        assert done.returncode == 0
        assert "_HARM_AUDIT_COMPLETE" in done.stdout
        if found := shutil.which(shell):
            subprocess.run([found, "-n"], input=done.stdout, text=True, check=True)

    def test_ctrl_c_in_the_middle_leaves_nothing(self, place: Path) -> None:
        os.mkfifo(place / "slow.yaml")
        running = subprocess.Popen(
            [sys.executable, "-m", "audit", "run", "slow.yaml", "--out", "out"],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=place,
            env=ENVIRONMENT,
            text=True,
        )
        assert running.stderr is not None
        assert running.stderr.readline().startswith("Auditing by slow.yaml")
        time.sleep(0.2)  # the spec is a pipe that nobody writes to: the run waits there
        running.send_signal(signal.SIGINT)
        said, errors = running.communicate(timeout=20)
        assert running.returncode == 130, errors
        assert "interrupted; nothing half written is left" in errors
        assert "Traceback" not in errors
        assert said == ""
        assert not (place / "out").exists()


def _swallowing(times: int, answer: Callable[[KeyboardInterrupt], None]) -> click.Command:
    """A command that is interrupted, catches it so many times, and would end well a second later."""

    @click.command("swallows")
    def swallows() -> int:
        for turn in range(times):
            try:
                if not turn:
                    os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            except KeyboardInterrupt as pressed:
                answer(pressed)
        time.sleep(0.3)
        return 0

    return swallows


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_that_a_library_swallows_comes_out_all_the_same(
    times: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.LazyGroup, "get_command", lambda *_: _swallowing(times, lambda pressed: None))
    before = signal.getsignal(signal.SIGINT)
    assert main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_a_command_answers_is_not_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.LazyGroup, "get_command", lambda *_: _swallowing(1, interrupts.settle))
    assert main(["doctor"]) == 0


def test_metrics_lists_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in (*registry.metrics(), *registry.aliases()))
    assert max(len(line) for line in said.splitlines()) <= 80
    assert main(["metrics", "--json"]) == 0
    assert {m["name"] for m in json.loads(capsys.readouterr().out)["metrics"]} == set(registry.metrics())


@pytest.mark.parametrize("name", [*registry.metrics(), *registry.aliases()])
def test_explain_says_what_it_means_and_misses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: ")
    assert "blind spot" in said
    assert main(["explain", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


@pytest.mark.parametrize("what", ["spec", "result"])
def test_schema_is_a_schema(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["schema", what]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["duckdb works"]["ok"]
    assert main(["doctor"]) == 0
    assert "duckdb works" in capsys.readouterr().out


def test_doctor_sees_another_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.cli import doctor

    (tmp_path / "audit.py").write_text("")
    assert doctor.shadows([str(tmp_path), str(ROOT)]) == [tmp_path / "audit.py"]
    assert doctor.shadows([str(ROOT)]) == []


def test_doctor_without_the_data_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone() -> Path:
        raise AuditError("the package's templates are missing", hint="Install it again.")

    monkeypatch.setattr("audit.resources.templates", gone)
    assert main(["doctor"]) == 4
    assert "Install it again." in capsys.readouterr().out


def test_progress_is_told_once_work_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "SLOW", 0.05)
    with output.progress("Counting", quiet=False):
        time.sleep(0.3)
    with output.progress("Hiding", quiet=True):
        time.sleep(0.3)
    monkeypatch.setattr(output, "SLOW", 60)
    with output.progress("Quick", quiet=False):
        pass
    assert capsys.readouterr().err == "Counting …\n"


@pytest.mark.parametrize("name", ["audit.py", "audit/__init__.py", "audit/other.py"])
def test_a_module_in_the_way_is_named_and_not_loaded(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "audit/start.py", tmp_path / "harm_audit.py")
    other = tmp_path / "path" / name
    other.parent.mkdir(parents=True)
    other.write_text("raise SystemExit('loaded')", encoding="utf-8")
    script = "import sys; sys.path[:] = sys.argv[1:] + [p for p in sys.path if 'site-packages' not in p]\n"
    script += "import harm_audit; sys.exit(harm_audit.main())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, tmp_path, tmp_path / "path"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert str(tmp_path / "path" / "audit") in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_the_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("audit.start.importlib.import_module", pressed)
    assert start.main() == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["verify-report", "X", "--profile", "ll144"],
        ["data", "rows.csv", "--attribute", "sex", "--population", "X"],
        ["plan", "draft", "BUNDLE", "--slices", "X"],
        ["report", "BUNDLE", "--with", "X"],
        ["slices", "X"],
        ["init", "X"],
        ["run", "X"],
        ["gate", "X"],
        ["verify", "X"],
        ["merge", "X", "BUNDLE", "--out", "sum"],
        ["compare", "X", "BUNDLE"],
        ["choose", "--answers", "X"],
        ["validate", "X"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("what", ["gone", "folder", "bytes"])
def test_what_cannot_be_read_says_what_to_give(
    what: str, words: list[str], place: Path, green: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = place / f"{what}.csv"
    if what == "folder":
        named.mkdir()
    elif what == "bytes":
        named.write_bytes(bytes(range(128, 256)) * 9)
    before = sorted(path.name for path in place.iterdir())
    given = {"X": str(named), "BUNDLE": str(green)}
    if words[0] == "validate" and what == "folder":
        given["X"] = str(named / "audit.yaml")
    capsys.readouterr()
    assert main([given.get(word, word) for word in words]) in (2, 4)
    said = capsys.readouterr().err
    assert "internal error" not in said
    assert "Hint: " in said
    assert sorted(path.name for path in place.iterdir()) == before

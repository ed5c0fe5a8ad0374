"""What is no YAML, or YAML that means harm, and files that are no spec at all."""

from __future__ import annotations

import os
import time

import pytest

from audit.errors import SpecError
from audit.spec import load
from audit.spec.lines import parse


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb:\n\t- c\n", 3, "spaces"),
        ("a: 1\nb: [1, 2\nc: 3\n", None, "not YAML"),
        ("a: 1\na: 2\n", 2, "the key 'a' stands here a second time; first on line 1"),
        ("x: {a: 1,\n  b: 2,\n  a: 3}\n", 3, "second time; first on line 1"),
        ("1: a\n'1': b\n", 2, "second time"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: 1\nb: !secret x\n", 2, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("a: 1\n? [x]\n: 2\n", 1, "a key is a list"),
        ("a: 1\n~: 2\n", 1, "allowed: text"),
        ("a: 1\n---\nb: 2\n", 2, "second `---`"),
        ("a: *nobody\n", 1, "alias"),
        ('a: "\\ud800"\n', 1, "surrogate"),
        ('a: "\\U00110000"\n', None, "not YAML"),
        ("a: \x00\n", None, "not YAML"),
        ("%YAML 3.0\n---\na: 1\n", 1, "not YAML"),
    ],
)
def test_refused_with_its_line(text, line, words):
    with pytest.raises(SpecError) as caught:
        parse(text, "audit.yaml")
    assert words in str(caught.value)
    assert caught.value.where.startswith("audit.yaml")
    if line is not None:
        assert caught.value.where == f"audit.yaml:{line}"


def test_all_doubled_keys_are_named():
    with pytest.raises(SpecError) as caught:
        parse("a: 1\na: 2\nb: 1\nb: 2\n", "audit.yaml")
    assert "audit.yaml:2" in str(caught.value)
    assert "audit.yaml:4" in str(caught.value)


def test_a_bomb_is_refused_at_once():
    rows = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    started = time.process_time()
    with pytest.raises(SpecError, match="aliases"):
        parse("\n".join(rows), "audit.yaml")
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["&a [*a]", "a: &x\n  b: *x\n", "[" * 5000, "{a: " * 100 + "1" + "}" * 100])
def test_endless_and_deep_values_are_refused(text):
    with pytest.raises(SpecError):
        parse(text, "audit.yaml")


def test_a_few_aliases_are_fine():
    value, _ = parse("a: &x {reason: r}\nb: *x\nc: [*x, *x]\n", "audit.yaml")
    assert value["b"] == value["c"][1] == {"reason": "r"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("Yes", "Yes"),
        ("off", "off"),
        ("true", True),
        ("FALSE", False),
        ("1", 1),
        ("'1'", "1"),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("2026-01-02", "2026-01-02"),
        ("12:30", "12:30"),
        ("~", None),
        ("null", None),
        (">50K", ">50K"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_scalars(written, value):
    found = parse(f"a: {written}" if not written.startswith(">") else f"a: '{written}'", "f")[0]["a"]
    assert found == value
    assert type(found) is type(value)


def test_no_directive_brings_back_the_older_booleans():
    assert parse("%YAML 1.1\n---\na: Yes\nb: 12:30\n", "f")[0] == {"a": "Yes", "b": "12:30"}


def test_a_bare_list_or_text_is_no_spec(write):
    for text in ("- a\n", "just words\n", "17\n"):
        with pytest.raises(SpecError, match="allowed: a mapping"):
            load(write(text))


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "null\n"])
def test_an_empty_file(write, text):
    with pytest.raises(SpecError, match="the file is empty"):
        load(write(text))


def test_no_such_file_names_what_to_type(tmp_path):
    with pytest.raises(SpecError, match="no such file") as caught:
        load(tmp_path / "audit.yaml")
    assert "harm-audit init" in caught.value.hint


def test_a_folder_and_rubbish(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path)
    with pytest.raises(SpecError, match="cannot be read"):
        load("a\0b")
    rubbish = tmp_path / "x.yaml"
    rubbish.write_bytes(b"PAR1\n\x15\xff\xfe\x80")
    with pytest.raises(SpecError, match="UTF-8") as caught:
        load(rubbish)
    assert caught.value.where == f"{rubbish}:2"


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/zero")
def test_an_endless_file_is_left_after_a_megabyte():
    with pytest.raises(SpecError, match="larger than"):
        load("/dev/zero")


def test_errors_never_come_with_the_parsers_own_traceback(write):
    with pytest.raises(SpecError) as caught:
        load(write("a: [1\n"))
    assert caught.value.__suppress_context__

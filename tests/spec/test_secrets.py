"""No secret is stored, printed or left in an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import SpecError
from audit.spec import from_dict
from audit.spec.secrets import expand, literal_secret, redact

LETTERS = st.text(st.sampled_from("abcXYZ0189-_.~!$@:/?#%+ é'\"\\"), min_size=6, max_size=20)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://ann:pw@db/x", "postgres://***@db/x"),
        ("postgres://ann@db/x", "postgres://***@db/x"),
        ("postgres://a:p@ss@db/x", "postgres://***@db/x"),
        ("postgres://a:p/ss@db/x", "postgres://***@db/x"),
        ("postgres://a:p#s@db/x", "postgres://***@db/x"),
        ("postgresql+psycopg://a:p@db:5432/x?sslmode=on", "postgresql+psycopg://***@db:5432/x?sslmode=on"),
        ("https://b.example/f.csv?sig=abc&x=1", "https://b.example/f.csv?sig=***&x=1"),
        ("https://b.example/f?X-Amz-Signature=abc", "https://b.example/f?X-Amz-Signature=***"),
        ("snowflake://u:${PW}@acc/db", "snowflake://***@acc/db"),
        ("md:db?motherduck_token=eyJhb", "md:db?motherduck_token=***"),
        ("host=db password=pw user=ann", "host=db password=*** user=ann"),
        ("see postgres://u:p@h/d and s3://b/k", "see postgres://***@h/d and s3://b/k"),
        ("s3://bucket/day@1/x.parquet", "s3://bucket/day@1/x.parquet"),
        ("data/*.parquet", "data/*.parquet"),
        ("https://x/?p%61ssword=pw", "https://x/?p%61ssword=***"),
    ],
)
def test_what_is_masked(url, expected):
    assert redact(url) == expected
    assert redact(redact(url)) == redact(url)


@given(LETTERS)
def test_no_password_outlives_redaction(password):
    secret = f"Q{password}Q"
    assert secret not in redact(f"postgres://ann:{secret}@db.example/credit")


@given(
    st.text(st.sampled_from("abcXYZ0189-_.~!$@:/?#%+;,"), min_size=6),
    st.sampled_from(["token", "api_key", "PWD"]),
)
def test_no_token_outlives_redaction(value, name):
    secret = f"Q{value}Q"
    assert secret not in redact(f"https://files.example/x.csv?a=1&{name}={secret}&b=2")


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text):
    assert isinstance(redact(text), str)
    literal_secret(text)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:hunter2@h/d",
        "postgres://u:p@ss@h/d",
        "postgres://u:p/ss@h/d",
        "postgres://:hunter2@h/d",
        "https://ghp_abc@raw.example/x.csv",
        "https://h/x.csv?token=hunter2",
        "s3://b/k?aws_secret_access_key=hunter2",
        "host=db password=hunter2",
        "md:db?motherduck_token=hunter2",
    ],
)
def test_a_literal_secret_is_refused_and_not_shown(minimal, url):
    minimal["data"]["source"] = url
    with pytest.raises(SpecError) as caught:
        from_dict(minimal)
    assert "written out" in caught.value.what
    assert "${NAME}" in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:${PW}@h/d",
        "postgres://${U}:${PW}@h:5432/d?sslmode=require",
        "postgres://u@h/d",
        "${DATABASE_URL}",
        "https://h/x.csv?token=${TOKEN}",
        "https://h:8443/x.csv",
        "s3://bucket/a@b/*.parquet",
        "predictions.parquet",
        "C:\\data\\x.csv",
    ],
)
def test_what_holds_no_secret_is_taken_and_kept_as_written(minimal, url):
    minimal["data"]["source"] = url
    assert from_dict(minimal).data.source == url


def test_the_environment_is_read_when_asked_and_never_kept(minimal, monkeypatch):
    minimal["data"]["source"] = "postgres://u:${AUDIT_TEST_PW}@h/d"
    spec = from_dict(minimal)
    monkeypatch.delenv("AUDIT_TEST_PW", raising=False)
    with pytest.raises(SpecError, match="AUDIT_TEST_PW is not set") as caught:
        spec.data.resolved_source()
    assert caught.value.where == "data.source"
    monkeypatch.setenv("AUDIT_TEST_PW", "s3cr/t@1")
    assert spec.data.resolved_source() == "postgres://u:s3cr%2Ft%401@h/d"
    assert "s3cr" not in repr(spec)
    assert "s3cr" not in str(spec.as_dict())


def test_the_join_reads_it_too(minimal):
    minimal["data"]["join"] = {"source": "${WHERE}/people.csv", "on": "k"}
    join = from_dict(minimal).data.join
    assert join.resolved_source({"WHERE": "/tmp/a b"}) == "/tmp/a b/people.csv"


def test_what_was_put_in_is_not_expanded_again():
    assert expand("${A}", where="x", environ={"A": "${B}", "B": "no"}) == "${B}"


def test_a_wrong_type_in_place_of_a_source_shows_no_secret(minimal):
    minimal["data"]["table"] = ["postgres://u:hunter2@h/d"]
    minimal["data"]["missing"] = "postgres://u:hunter2@h/d"
    with pytest.raises(SpecError) as caught:
        from_dict(minimal)
    assert "hunter2" not in str(caught.value)

"""What a plain machine lacks is skipped with the reason there, and a failure where CI=true promises it."""

from __future__ import annotations

import pytest

from tests.needs import needs_chromium, needs_extra


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.mark.usefixtures("bare_path")
def test_plain_machine_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser on the PATH"):
        needs_chromium()
    with pytest.raises(pytest.skip.Exception, match="no_such_library is not installed"):
        needs_extra("no_such_library")


@pytest.mark.usefixtures("bare_path")
def test_ci_fails_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        needs_chromium()
    with pytest.raises(pytest.fail.Exception, match="no_such_library"):
        needs_extra("no_such_library")

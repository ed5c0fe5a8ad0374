"""pytest inside of pytest, and projects to try it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import pytest

import audit
from audit.integrations import pytest_plugin
from tests.integrations.cases import RULES, SPEC, Case, people

ENTRY = "audit.integrations.pytest_plugin"


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every module that an audit loads: an inner run forgets what it loaded first."""
    folder = tmp_path_factory.mktemp("loaded")
    done = audit.run(Case("loaded", "pass", "fail", RULES[0], people(90, 0.5, 0.5)).write(folder / "x"))
    done.to_frame()
    audit.audit(pd.DataFrame({"sex": ["f", "m"], "approved": [0, 1]}), prediction="approved", sensitive="sex")


@pytest.fixture
def inner(
    loaded: None, pytester: pytest.Pytester, request: pytest.FixtureRequest
) -> Callable[..., pytest.RunResult]:
    """Runs pytest in the test's folder, in this process, with the plugin loaded and warnings as errors."""
    installed = request.config.pluginmanager.is_registered(pytest_plugin)
    plugin = () if installed else ("-p", ENTRY)

    def run(*arguments: str, plugins: Sequence[object] = ()) -> pytest.RunResult:
        options = (*plugin, "-W", "error", "--strict-markers", "-p", "no:cacheprovider")
        return pytester.runpytest_inprocess(*options, *arguments, plugins=plugins)

    return run


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[..., None]:
    """Writes audit.yaml and its rows: two groups of `each` people with these selection rates."""

    def write(each: int, men: float, women: float, *, word: str = "fail", rule: str = RULES[0]) -> None:
        rows = ["sex,approved,people", *(",".join(row) for row in people(each, men, women))]
        (pytester.path / "rows.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (pytester.path / "audit.yaml").write_text(SPEC.format(name="x", word=word, rule=rule), "utf-8")

    return write

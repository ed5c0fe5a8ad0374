"""What the repository must not say: claims no audit can make, and places that only one machine has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.architecture.modules import ROOT, repository_files

CLAIMS = re.compile(r"\bde-?bias|\bunbiased|\bbias-free|\bfair models?\b|\bcertified\b", re.IGNORECASE)
"""An audit finds disparities, with uncertainty, for the groups and metrics examined: it proves no absence."""

PUBLIC = ("audit", "docs", "templates", "checklists", "examples", "README.md", "CHANGELOG.md", "action.yml")

MACHINE = re.compile(
    r"(?<![\w.~-])/(?:work|home|root|Users)/\w"
    r"|\b(?:[a-z0-9-]+\.)*(?:pypi\.org|pythonhosted\.org|anaconda\.org|npmjs\.(?:org|com)|crates\.io|rubygems\.org)",
    re.IGNORECASE,
)
"""Absolute paths of one machine, and hosts of package registries: a mirror must be enough to build."""

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".json",
    ".html",
    ".css",
    ".j2",
    ".jinja",
    ".cfg",
    ".sh",
    "",
}


def lines(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(place, line) of every line of the text files."""
    for path in files:
        if path.suffix in TEXT:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{path.relative_to(ROOT)}:{number}", line


def test_no_page_claims_what_an_audit_cannot_show() -> None:
    public = [path for path in repository_files() if path.relative_to(ROOT).parts[0] in PUBLIC]
    wrong = [f"{place}: {found[0]}" for place, line in lines(public) if (found := CLAIMS.search(line))]
    assert not wrong, "\n".join(wrong)


def test_no_file_names_one_machine_or_a_package_registry() -> None:
    others = [path for path in repository_files() if path != Path(__file__)]
    wrong = [f"{place}: {found[0]}" for place, line in lines(others) if (found := MACHINE.search(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("pattern", "caught", "passed"),
    [
        (CLAIMS, "a fair model", "a fairly good model"),
        (CLAIMS, "Debiasing", "bias and variance"),
        (MACHINE, "open /home/ann/x.csv", "https://example.org/home/x"),
        (MACHINE, "https://files.pythonhosted.org/p", "pip install harm-audit"),
    ],
)
def test_the_patterns_catch_what_they_mean(pattern: re.Pattern[str], caught: str, passed: str) -> None:
    assert pattern.search(caught)
    assert not pattern.search(passed)


def test_constraints_are_plain_pins() -> None:
    wrong = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)
    ]
    assert not wrong, wrong

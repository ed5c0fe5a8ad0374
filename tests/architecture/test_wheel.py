"""The wheel holds the whole package and works in an environment that has never seen the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.architecture.modules import ROOT, repository_files

pytestmark = pytest.mark.slow

MAPPED = {"checklists": "_checklists", "templates": "_templates", "examples": "_examples"}


def run(*command: str | Path, folder: Path) -> str:
    """Standard output of a command outside of the checkout."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    run(*command, folder=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a new environment with the wheel in it.

    The libraries are borrowed from this environment by a path file, which does not follow the path files
    there: the editable install of the checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = (sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet", "--no-deps")
    run(*pip, wheel, folder=folder.parent)
    ours = run(
        scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder
    )
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (Path(ours.strip()) / "borrowed.pth").write_text("\n".join(libraries))
    return scripts


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    expected = set()
    for path in repository_files():
        top, *rest = path.relative_to(ROOT).parts
        if rest == ["start.py"]:
            expected.add("harm_audit.py")
        elif top == "audit":
            expected.add("/".join([top, *rest]))
        elif top in MAPPED:
            expected.add("/".join(["audit", MAPPED[top], *rest]))
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected


def test_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    assert "Usage: harm-audit" in run(installed / "harm-audit", "--help", folder=tmp_path)
    assert "selection_rate" in run(installed / "harm-audit", "metrics", folder=tmp_path)
    assert "Usage: " in run(installed / "python", "-m", "audit", "--help", folder=tmp_path)


@pytest.mark.parametrize("name", ["audit.py", "audit/__init__.py"])
def test_another_module_called_audit_is_named(name: str, installed: Path, tmp_path: Path) -> None:
    other = tmp_path / name
    other.parent.mkdir(exist_ok=True)
    other.write_text("raise SystemExit('loaded')")
    done = subprocess.run(
        [installed / "harm-audit", "gate", "evidence"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert f"another module named `audit` stands before this one: {other}" in done.stderr
    assert "Traceback" not in done.stderr


def test_installed_package_finds_its_data(installed: Path, tmp_path: Path) -> None:
    script = "from audit import resources as r; print(r.templates(), r.checklists(), r.examples(), sep='\\n')"
    found = [Path(line) for line in run(installed / "python", "-c", script, folder=tmp_path).splitlines()]
    assert [path.name for path in found] == ["_templates", "_checklists", "_examples"]
    assert all(path.is_relative_to(installed.parent) for path in found)
    assert all(any(path.iterdir()) for path in found)

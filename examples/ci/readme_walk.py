"""Types what README says, in an empty place: from nothing to a gate in a repository's CI, timed.

    python examples/ci/readme_walk.py              # installs from your package index
    python examples/ci/readme_walk.py --borrow     # takes the libraries of this Python, for a quick test

A new folder is HOME, nothing of the environment is kept but what reaches the package index, no cache is
there, and root becomes a new user where the machine lets it (not with --borrow). README's blocks are run as
they stand; `OWNER` is answered by a copy of this checkout, the editor changes nothing, and
`predictions.csv` is made up. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ("Install", "Your own data in five minutes", "In your repository's CI")
KEPT = re.compile(r"(PIP_|SSL_|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|REQUESTS_CA)", re.ASCII)
GATE_CODES = (0, 1, 3)


def main() -> int:
    """Walk, print each step with its time, and end with 1 where a step failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--borrow", action="store_true", help="no installation from an index")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        os.chmod(folder, 0o755)
        user = None if options.borrow else new_user(Path(folder))
        try:
            return walk(Path(folder), user, borrow=options.borrow)
        finally:
            if user:
                subprocess.run(["userdel", user], check=False, capture_output=True)


def walk(folder: Path, user: str | None, *, borrow: bool) -> int:
    """README's steps in a new project below `folder`."""
    home, project = folder / "home", folder / "home" / "project"
    project.mkdir(parents=True)
    origin = folder / "origin"
    export(origin)
    rows(project / "predictions.csv")
    git = [
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "--global", "user.name", "A newcomer"),
        ("config", "--global", "user.email", "newcomer@example.org"),
        ("config", "--global", "safe.directory", "*"),
        ("config", "--global", f"url.file://{origin}.insteadOf", "https://github.com/OWNER/harm-audit"),
    ]
    environment = {
        "HOME": str(home),
        "PATH": os.defpath
        + ":/usr/local/bin:"
        + str(Path(shutil.which("python3") or "/usr/bin/python3").parent),
        "LANG": "C.UTF-8",
        "EDITOR": "true",
        **{name: value for name, value in os.environ.items() if KEPT.match(name)},
    }
    if user:
        subprocess.run(["chown", "-R", user, str(home), str(origin)], check=True)
    for words in git:
        subprocess.run(["git", *words], cwd=project, env=environment, user=user, check=True)
    start = time.monotonic()
    done: list[dict[str, object]] = []
    for section in SECTIONS:
        for line in steps(section):
            command = borrowed(line) if borrow else line
            if borrow and line.startswith("python harm-audit/tests"):
                command = line.replace("run_action.py", 'run_action.py --bin "$PWD/.venv/bin"')
            allowed = GATE_CODES if "gate " in line or "run_action" in line else (0,)
            began = time.monotonic()
            code, said, environment = typed(command, project, environment, user)
            took = round(time.monotonic() - began, 1)
            print(f"{took:6.1f} s  exit {code}  {line}", flush=True)
            done.append({"step": line, "seconds": took, "exit": code})
            if code not in allowed:
                print(said[-3000:])
                print(json.dumps({"failed": line, "exit": code}))
                return 1
    codes = [
        step["exit"] for step in done if "gate " in str(step["step"]) or "run_action" in str(step["step"])
    ]
    seconds = round(time.monotonic() - start, 1)
    print(json.dumps({"steps": len(done), "seconds": seconds, "new_user": bool(user), "gates": codes}))
    return 0 if len(set(codes)) == 1 and (project / ".github/workflows/audit.yml").is_file() else 1


def steps(section: str) -> list[str]:
    """The lines of the first bash block below README's heading, without their comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n", 1)[1]
    block = part.split("```bash\n", 1)[1].split("```", 1)[0]
    return [line.partition("  #")[0].rstrip() for line in block.splitlines() if line.strip()]


def typed(
    line: str, project: Path, environment: dict[str, str], user: str | None
) -> tuple[int, str, dict[str, str]]:
    """The line's exit code and output, and the environment that it leaves, as a terminal keeps it."""
    script = f"{line}\ncode=$?\nenv -0 > .walk-env\nexit $code"
    found = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env=environment,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    left = project / ".walk-env"
    pairs = left.read_text(encoding="utf-8", errors="replace").split("\0") if left.exists() else []
    kept = dict(pair.split("=", 1) for pair in pairs if "=" in pair and not pair.startswith(("_=", "SHLVL=")))
    left.unlink(missing_ok=True)
    return found.returncode, found.stdout, kept or environment


def borrowed(line: str) -> str:
    """The installation without an index: the package alone, beside this Python's libraries."""
    if " install " not in line:
        return line
    ours = sysconfig.get_path("purelib")
    place = '"$(.venv/bin/python -c "import sysconfig; print(sysconfig.get_path(\'purelib\'))")"/borrowed.pth'
    pip = f"{sys.executable} -m pip --python .venv/bin/python install --quiet --no-deps --no-build-isolation"
    return f"echo {ours} > {place} && PYTHONPATH={ours} {pip} ./harm-audit"


def export(origin: Path) -> None:
    """This checkout as it stands, as a repository of one commit."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, origin / name)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "--quiet"), ("add", "-A"), (*who, "commit", "--quiet", "-m", "all")):
        subprocess.run(["git", *words], cwd=origin, check=True)


def rows(path: Path) -> None:
    """Decisions of a made-up lender, as a newcomer's own file."""
    chance = random.Random(3)
    lines = ["sex,race,repaid,approved"]
    for _ in range(6000):
        repaid = chance.random() < 0.6
        approved = chance.random() < (0.8 if repaid else 0.3)
        group = f"{chance.choice(['Female', 'Male'])},{chance.choice(['Asian', 'Black', 'White'])}"
        lines.append(f"{group},{int(repaid)},{int(approved)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def new_user(folder: Path) -> str | None:
    """A user made for this walk, where root runs it; None where it cannot be."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("useradd"):
        return None
    name = f"walk{os.getpid()}"
    command = ["useradd", "--no-create-home", "--home-dir", str(folder / "home"), name]
    return name if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())

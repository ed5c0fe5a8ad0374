"""From a failing audit to a release: what was found, owned, changed, measured again, signed and let pass.

    python walk.py FOLDER

Every step prints the command that a team would type, runs it, and stops where its exit code is not the
expected one. The people, and what they answer, are made up. The policy is narrower than that of the
example (sex and race alone), and the test quarter larger, so that every group can be decided.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from audit.governance import readiness
from audit.governance.answers import AnswerFile
from audit.governance.register import Book
from audit.governance.themes import load_kinds
from audit.governance.tier import load_questionnaire

HERE = Path(__file__).resolve().parent
TEST_ROWS = 60_000
TODAY = datetime.now(UTC).date()
SOON = TODAY + timedelta(days=90)
MODEL = ("--model", "model.joblib")
SPEC = """\
system:
  name: small-loans
  version: "2026.11"
  owner: credit risk team
  use: credit
  output: approve, or refuse
  jurisdictions: [EU]
  model: model.joblib
data:
  source: predictions.csv
  columns: {id: application_id, label: repaid, prediction: approved, score: p_repay}
  positive: 1
  attributes:
    sex: {as: sex}
    race: {as: race_ethnicity, reference: White}
policy:
  rules:
    - {id: opportunity, metric: equal_opportunity, at_most: 0.05, severity: blocker}
    - {id: approvals, metric: selection_rate, comparison: ratio, at_least: 0.8}
"""
FACTS = """\
provider: Example Lender
intended_purpose: deciding on applications for small loans
population_served: adults who apply for a small loan
modality: tabular
role: deployer
simplified_output: yes
data_source: a test quarter in which every applicant was given the loan
auditor: {name: Grace Hopper, independent: yes, basis: had no part in making or using it}
retention_years: 10
reaudit: {every_days: 90, on: [model, data]}
"""


def main(folder: Path) -> None:
    """Walk the whole way in `folder`, which must be empty or absent."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.yaml").write_text(SPEC, encoding="utf-8")
    say("A model is trained, and audited.")
    make_data(folder, without=())
    harm_audit(folder, 0, "run", "audit.yaml", "--out", "evidence")
    harm_audit(folder, 1, "gate", "evidence", *MODEL)
    shutil.copytree(folder / "evidence", folder / "evidence-before")

    say("Each violation becomes a harm, with an owner and a plan.")
    harm_audit(folder, 0, "checklist", "new", "--bundle", "evidence")
    harm_audit(folder, 0, "harms", "seed", "--bundle", "evidence")
    harms = own_and_plan(folder)

    say("The model is changed: it is no longer given the area index. The same people are audited again.")
    make_data(folder, without=("area_index",))
    harm_audit(folder, 0, "run", "audit.yaml", "--out", "evidence")
    harm_audit(folder, 0, "harms", "seed", "--bundle", "evidence")
    verify_action(folder)
    settle(folder, harms)

    say("Still nobody has answered the questions or signed, and the gate says so.")
    harm_audit(folder, 1, "gate", "evidence", *MODEL)
    answer_everything(folder)
    harm_audit(folder, 3, "gate", "evidence", *MODEL)
    sign(folder)
    harm_audit(folder, 0, "gate", "evidence", *MODEL)
    harm_audit(folder, 0, "report", "evidence")

    say("One byte of the model changes.")
    with (folder / "model.joblib").open("ab") as handle:
        handle.write(b"\n")
    harm_audit(folder, 3, "gate", "evidence", *MODEL)


def say(words: str) -> None:
    """Print a heading."""
    print(f"\n## {words}", flush=True)


def harm_audit(folder: Path, expected: int, *words: str) -> None:
    """Run the command in `folder`; stop where it ends otherwise than expected."""
    print(f"\n$ harm-audit {' '.join(words)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "audit", *words], cwd=folder, check=False).returncode
    if code != expected:
        sys.exit(f"ended with {code}, not {expected}")


def make_data(folder: Path, *, without: tuple[str, ...]) -> None:
    """Train without some features and decide on the same applicants; the order of features is kept."""
    maker = _module(HERE / "make_data.py")
    features: Any = [name for name in maker.FEATURES if name not in without]
    vars(maker).update(TEST_ROWS=TEST_ROWS, FEATURES=features)
    maker.main(folder)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_data", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own_and_plan(folder: Path) -> list[str]:
    """Give every harm an owner, a rating and one action that answers them all."""
    book = Book.open(folder / "governance" / "harms.yaml")
    harms = [harm.id for harm in book.register.harms]
    for harm in harms:
        named = (
            "--owner",
            "Ada Lovelace",
            "--due",
            str(SOON),
            "--treatment",
            "reduce",
            "--by",
            "Ada Lovelace",
        )
        harm_audit(folder, 0, "harms", "own", harm, *named)
        harm_audit(folder, 0, "harms", "rate", harm, *_rating(4, 4, "good payers are refused credit"))
        harm_audit(folder, 0, "harms", "move", harm, "treating", "--by", "Ada Lovelace")
    plan = ("--type", "feature", "--what", "train without the area index, which stands for race")
    people = (
        "--owner",
        "Ada Lovelace",
        "--approver",
        "Grace Hopper",
        "--due",
        str(SOON),
        "--by",
        "Ada Lovelace",
    )
    harm_audit(folder, 0, "harms", "action", *harms, *plan, *people)
    for step in ("approved", "in_progress"):
        harm_audit(folder, 0, "harms", "move", "A-001", step, "--by", "Grace Hopper")
    register = Book.open(folder / "governance" / "harms.yaml").register
    seen = {code.split(".")[0] for harm in register.harms for code in harm.taxonomy}
    looked = ("--because", "walked through with the branch staff", "--by", "Ada Lovelace")
    for theme in dict.fromkeys(kind.theme for kind in load_kinds()):
        if theme not in seen:
            harm_audit(folder, 0, "harms", "none", theme, *looked)
    return harms


def _rating(severity: int, likelihood: int, why: str, *more: str) -> tuple[str, ...]:
    points = {
        "severity": severity,
        "likelihood": likelihood,
        "scale": 2,
        "reversibility": 1,
        "detectability": 1,
    }
    words = [word for name, value in points.items() for word in (f"--{name}", str(value))]
    return (*more, *words, "--rationale", why, "--by", "Ada Lovelace")


def verify_action(folder: Path) -> None:
    """The action's effect, from the audits before and after it, and a second person's word that it holds."""
    audits = ("--before", "evidence-before", "--after", "evidence", "--rule", "opportunity")
    harm_audit(folder, 0, "harms", "effect", "A-001", *audits, "--by", "Ada Lovelace")
    harm_audit(folder, 0, "harms", "move", "A-001", "implemented", "--by", "Ada Lovelace")
    harm_audit(folder, 0, "harms", "move", "A-001", "verified", "--by", "Grace Hopper")


def settle(folder: Path, harms: list[str]) -> None:
    """Rate what remains of each harm, and close it."""
    for harm in harms:
        remains = _rating(1, 1, "the gap is inside the bound, with its interval", "--residual")
        harm_audit(folder, 0, "harms", "rate", harm, *remains)
        harm_audit(folder, 0, "harms", "close", harm, "--by", "Grace Hopper")


def answer_everything(folder: Path) -> None:
    """Answer every question as a team would over weeks; what no audit shows here is waived for a while."""
    governance = folder / "governance"
    (governance / "facts.yaml").write_text(FACTS, encoding="utf-8")
    asked = load_questionnaire()
    rows = "".join(f"  {q.id}: {q.options[0].answer!r}\n" for q in (*asked.raw, *asked.safeguards))
    (governance / "tier.yaml").write_text(f"answers:\n{rows}agreed_by: Grace Hopper\n", encoding="utf-8")
    situation = _situation(folder)
    bound = {name: digest for name, digest in situation.hashes().items() if digest}
    waiver = {"reason": "shown by hand until it is measured", "approved_by": "Grace Hopper", "until": SOON}
    for checklist, assessed in readiness.assess_all(folder, situation):
        file = AnswerFile.open(governance / "answers", checklist)
        for one in assessed:
            given: dict[str, Any] = {"waiver": dict(waiver)} if one.item.auto and one.open else {}
            if one.item.classification != "automatable":
                evidence = [{"path": "https://example.org/minutes"}]
                given |= {"answer": "yes", "evidence": evidence, "bound": dict(bound)}
            if given:
                file.give(one.item, by="Ada Lovelace", on=TODAY, **given)
        file.save()
    print(f"\n{len(readiness.assess_all(folder, situation))} lists answered", flush=True)


def _situation(folder: Path) -> readiness.Situation:
    from audit import codec
    from audit.bundle import read
    from audit.result import AuditResult

    found = read(folder / "evidence")
    result = codec.loads(AuditResult, found.audit_json, where="audit.json")
    return readiness.situation_of(
        folder, as_of=date.today(), result=result, bundle_id=found.id, bundle=found.path
    )


def sign(folder: Path) -> None:
    """The owner signs this very bundle, with a key where this machine can make one."""
    saw = ("--saw", "the report and the harm register")
    words = ("sign", "evidence", "--role", "owner", "--name", "Ada Lovelace", *saw)
    if shutil.which("ssh-keygen") is None:
        harm_audit(folder, 0, *words)
        return
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", "id_ada"]
    subprocess.run(made, cwd=folder, check=True)
    kind, key, _ = (folder / "id_ada.pub").read_text(encoding="utf-8").split()
    allowed = folder / "governance" / "allowed_signers"
    allowed.write_text(f"ada {kind} {key}\n", encoding="utf-8")
    harm_audit(folder, 0, *words, "--key", "id_ada", "--identity", "ada")
    harm_audit(folder, 0, "verify", "evidence", "--allowed-signers", "governance/allowed_signers")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("walk"))

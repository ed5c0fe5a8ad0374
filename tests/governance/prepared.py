"""A project that is ready for its launch: every question answered, the register walked, the bundle signed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from audit.governance import signoff
from audit.governance.answers import AnswerFile
from audit.governance.catalogue import load_catalogue
from audit.governance.readiness import applicable
from audit.governance.register import Book
from audit.governance.themes import load_kinds
from audit.governance.tier import load_questionnaire
from audit.result import AuditResult
from tests.governance.project import DAY, look

URL = [{"path": "https://example.org/doc"}]


def prepare(project: Path, result: AuditResult, bundle_id: str, signatures: Path) -> None:
    """Fill `project` so that nothing in governance stands against the result, and sign the bundle."""
    folder = project / "governance"
    folder.mkdir()
    (folder / "facts.yaml").write_text(
        "modality: tabular\nrole: deployer\nretention_years: 10\nreaudit: {every_days: 90, on: [model]}\n",
        encoding="utf-8",
    )
    asked = load_questionnaire()
    rows = "".join(f"  {q.id}: {q.options[0].answer}\n" for q in (*asked.raw, *asked.safeguards))
    (folder / "tier.yaml").write_text(f"answers:\n{rows}agreed_by: Grace\n", encoding="utf-8")
    book = Book.open(folder / "harms.yaml")
    for theme in dict.fromkeys(kind.theme for kind in load_kinds()):
        book.found_nothing(theme, "looked with the tenants' union", "Ada")
    book.save()
    signoff.sign(signatures, signoff.Statement(bundle_id, "Ada", "owner", "2026-11-22T10:00:00Z", "report"))
    situation = look(project, result)
    waiver = {"reason": "shown elsewhere", "approved_by": "Grace", "until": date(2027, 6, 1)}
    bound = {name: digest for name, digest in situation.hashes().items() if digest}
    for each in applicable(load_catalogue(), situation, project):
        file = AnswerFile.open(folder / "answers", each)
        for item in each.items:
            given: dict[str, Any] = {"waiver": dict(waiver)} if item.auto else {}
            if item.classification != "automatable":
                given |= {"answer": "yes", "evidence": list(URL), "bound": dict(bound)}
            file.give(item, by="Ada", on=DAY, **given)
        file.save()

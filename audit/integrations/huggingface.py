"""Into a Hugging Face model card: the `model-index` of its front matter, and a section that people read."""

from __future__ import annotations

import io
import os
import re
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from audit import bundle, codec
from audit.errors import OutputError, UsageError
from audit.governance import readiness
from audit.report import markdown
from audit.report.profiles import model_card
from audit.report.profiles.frame import Case

if TYPE_CHECKING:
    from audit import Audit

START, END = "<!-- harm-audit -->", "<!-- /harm-audit -->"
_FRONT = re.compile(r"\A---\r?\n(.*?)^---\r?\n", re.DOTALL | re.MULTILINE)
_SECTION = re.compile(rf"{START}.*?{END}\n?", re.DOTALL)


def card(done: Audit, text: str = "", *, project: str | os.PathLike[str] = ".") -> str:
    """The text of a model card with the audit in it.

    `model-index` in its front matter is replaced by the audited figures by group; the part of the body
    between `<!-- harm-audit -->` and `<!-- /harm-audit -->` by the audit's summary, or the summary goes
    to the end. Everything else stays. Where people still owe what the card says, its model's
    name begins with DRAFT.
    """
    made = bundle.bundle_id(codec.dumps(done.result))
    situation = readiness.situation_of(
        Path(project),
        as_of=date.fromisoformat(done.result.created_at[:10]),
        result=done.result,
        bundle_id=made,
    )
    block = model_card.as_yaml(Case(done.result, made, done.decision, situation)).text
    front, body = _parts(text)
    front["model-index"] = _load(block.removeprefix("---\n").removesuffix("---\n"))["model-index"]
    summary = markdown.summary(done.result, done.decision).strip().replace(START, "").replace(END, "")
    section = f"{START}\n{re.sub(r'^#', '##', summary, flags=re.MULTILINE)}\n\nBundle {made}.\n{END}\n"
    if _SECTION.search(body):
        body = _SECTION.sub(lambda _: section, body, count=1)
    else:
        body = f"{body.rstrip()}\n\n{section}" if body.strip() else section
    return f"---\n{_dump(front)}---\n{body}"


def put(done: Audit, path: str | os.PathLike[str], *, project: str | os.PathLike[str] = ".") -> Path:
    """Write the audit into the model card at `path`, a new one where there is none; whole or not at all."""
    target = Path(path)
    try:
        before = target.read_text(encoding="utf-8") if target.exists() else ""
        written = card(done, before, project=project).encode()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(written)
        Path(name).chmod(target.stat().st_mode if target.exists() else 0o644)
        Path(name).replace(target)
    except UnicodeDecodeError as error:
        raise UsageError("is not text in UTF-8", where=str(target)) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=str(target)) from error
    return target


def _parts(text: str) -> tuple[Any, str]:
    """The front matter as a mapping, its comments kept, and the body."""
    found = _FRONT.match(text)
    if found is None:
        return {}, text
    front = _load(found[1])
    if front is None:
        front = {}
    if not isinstance(front, dict):
        raise UsageError(
            "the card's front matter is no mapping", hint="Write `key: value` lines between the ---."
        )
    return front, text[found.end() :]


def _load(text: str) -> Any:
    try:
        return YAML().load(text)
    except YAMLError as error:
        raise UsageError(f"the card's front matter cannot be read: {error}") from error


def _dump(front: Any) -> str:
    out = io.StringIO()
    writer = YAML()
    writer.width = 10_000
    writer.dump(front, out)
    return out.getvalue()

"""What the page answers: lists, a list, a question; a form is kept, or sent back as typed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from audit.cli.page import views
from audit.cli.page.forms import Problem, Typed, check, given_of, typed_of
from audit.cli.page.loopback import Request, Response
from audit.errors import AuditError, UsageError
from audit.governance import giving, readiness
from audit.governance.answers import AnswerFile
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Catalogue, Checklist, Item
from audit.governance.situation import Situation
from audit.governance.stages import FOLDER
from audit.governance.status import Assessed
from audit.governance.yamlfile import ChangedSinceError

_TRIES = 5
_Lists = tuple[tuple[Checklist, tuple[Assessed, ...]], ...]


class App:
    """The pages over one project; `situation` is asked anew for every page, so that edits by hand show."""

    def __init__(
        self, project: Path, situation: Callable[[], Situation], catalogue: Catalogue | None = None
    ) -> None:
        self.project = project
        self.situation = situation
        self.catalogue = catalogue or load_catalogue()
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        """The answer to a request that may be answered."""
        typed = typed_of(request)
        try:
            with self._lock:
                return self._respond(request, typed)
        except AuditError as error:
            status = 404 if isinstance(error, _NotThereError) else 409
            text = views.trouble(request, error, typed.values if request.method == "POST" else {})
            return Response(status, text)

    def _respond(self, request: Request, typed: Typed) -> Response:
        situation = self.situation()
        lists = readiness.assess_all(self.project, situation, self.catalogue)
        name = request.path.strip("/")
        if request.method == "POST":
            return self._save(request, typed, *self._question(lists, name), situation)
        if not name:
            return Response(200, views.overview(request, lists, situation))
        for checklist, assessed in lists:
            if name == checklist.id:
                saved = _saved(request, lists)
                return Response(200, views.one_list(request, checklist, assessed, situation, saved))
        checklist, assessed, at = self._question(lists, name)
        return self._show(
            request, checklist, assessed, at, situation, 200, Typed(), None, _saved(request, lists)
        )

    def _question(self, lists: _Lists, name: str) -> tuple[Checklist, tuple[Assessed, ...], int]:
        for checklist, assessed in lists:
            for at, one in enumerate(assessed):
                if one.item.id == name:
                    return checklist, assessed, at
        raise _NotThereError(
            "no list or question in use has this address", hint="`harm-audit checklist new NAME` adds a list."
        )

    def _show(
        self,
        request: Request,
        checklist: Checklist,
        assessed: tuple[Assessed, ...],
        at: int,
        situation: Situation,
        status: int,
        typed: Typed,
        problem: Problem | None,
        saved: Assessed | None = None,
    ) -> Response:
        file, item = self._open(checklist), assessed[at].item
        text = views.question(
            request,
            checklist,
            assessed,
            at,
            situation,
            mark=file.mark(item),
            history=file.history(item),
            typed=typed,
            problem=problem,
            saved=saved,
        )
        return Response(status, text)

    def _save(
        self,
        request: Request,
        typed: Typed,
        checklist: Checklist,
        assessed: tuple[Assessed, ...],
        at: int,
        situation: Situation,
    ) -> Response:
        item = assessed[at].item
        problem = check(typed, item, self.project) or self._give(checklist, item, typed, situation)
        if problem is not None:
            # Where somebody else answered, their answer is to be seen.
            lists = readiness.assess_all(self.project, situation, self.catalogue)
            now = next(assessed for each, assessed in lists if each.id == checklist.id)
            status = 409 if problem.conflict else 422
            return self._show(request, checklist, now, at, situation, status, typed, problem)
        following = _next(self.project, situation, self.catalogue, checklist, at)
        return Response(303, see=f"{following}?saved={item.id}", who=typed.values["by"])

    def _give(self, checklist: Checklist, item: Item, typed: Typed, situation: Situation) -> Problem | None:
        """Keep the answer, unless the one that the person saw is no longer there."""
        for _ in range(_TRIES):
            file = self._open(checklist)
            if file.mark(item) != typed.values.get("mark"):
                return Problem(
                    "somebody else changed this answer after you opened it; yours was not saved",
                    "Their answer stands under Now and in the history. Yours is still in the form: save it "
                    "again if it is to replace theirs.",
                    conflict=True,
                )
            try:
                giving.give(file, item, situation, self.project, given_of(typed))
            except ChangedSinceError:
                continue  # another question of the same list: read it again
            except UsageError as error:
                field = "documents" if "document" in error.what else None
                return Problem(error.what, error.hint or "", field)
            return None
        return Problem("the file is being changed all the time; nothing was saved", "Save again.")

    def _open(self, checklist: Checklist) -> AnswerFile:
        return AnswerFile.open(self.project / FOLDER / "answers", checklist)


class _NotThereError(UsageError):
    """There is no such page."""


def _saved(request: Request, lists: _Lists) -> Assessed | None:
    """The question that was just answered, as it stands now."""
    name = request.query.get("saved")
    return next((one for _, assessed in lists for one in assessed if one.item.id == name), None)


def _next(project: Path, situation: Situation, catalogue: Catalogue, checklist: Checklist, at: int) -> str:
    """The next open question of the list for a person, or the list where none is left."""
    lists = readiness.assess_all(project, situation, catalogue)
    mine = next(assessed for each, assessed in lists if each.id == checklist.id)
    for one in (*mine[at + 1 :], *mine[:at]):
        if one.open and one.item.classification != "automatable":
            return one.item.id
    return checklist.id

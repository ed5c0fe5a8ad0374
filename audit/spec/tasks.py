"""What each task asks of the columns, and what it has no use for."""

from __future__ import annotations

from audit.registry import TASKS
from audit.spec.model import Data
from audit.spec.problems import Problems, listed

NEEDED: dict[str, tuple[str, ...]] = {
    "score": ("score",),
    "regression": ("prediction",),
    "multiclass": ("prediction",),
    "ranking": ("query",),
}
"""Roles that a task cannot do without."""
_REFUSED: dict[str, tuple[str, ...]] = {
    "regression": ("score",),
    "multiclass": ("score",),
    "ranking": ("label", "prediction"),
    "selection": ("label",),
}
_OWN = {"exposure": "regression", "query": "ranking", "rank": "ranking", "relevance": "ranking"}
"""Roles that only one task reads."""
_NO_CUT = ("regression", "multiclass", "ranking")


def check_task(data: Data, problems: Problems) -> None:
    """Columns that the task lacks, and what contradicts it."""
    task = data.task_named
    given = {role for role, column in data.columns if column is not None}
    for role, owner in _OWN.items():
        if role in given and task != owner:
            what = f"the column `{role}` serves the task {owner}; the task here is {task}"
            problems.add(("data", "columns", role), what, f"Write task: {owner} under data, or take it out.")
    lacking = [role for role in NEEDED.get(task, ()) if role not in given]
    if task == "ranking" and not given & {"rank", "score"}:
        lacking.append("rank")
    if lacking:
        what = f"the task {task} needs {listed(lacking)}; `columns` has {listed(sorted(given)) or 'none'}"
        hint = "Add columns: {" + ", ".join(f"{role}: …" for role in lacking) + "}."
        problems.add(("data", "columns"), what, hint)
    for role in _REFUSED.get(task, ()):
        if role in given:
            what = f"the task {task} has no use for the column `{role}`"
            problems.add(("data", "columns", role), what, _other_task(task, role))
    if task != "ranking" and "top" in data.model_fields_set:
        problems.add(
            ("data", "top"), f"`top` serves the task ranking; the task here is {task}", "Take it out."
        )
    if task in _NO_CUT:
        for key in ("threshold", "positive"):
            if getattr(data, key) is not None:
                what = f"`{key}` has no meaning in the task {task}"
                problems.add(("data", key), what, "Take it out, or name another task.")


def _other_task(task: str, role: str) -> str:
    if task == "selection":
        return "With labels the task is binary: take `task:` out."
    return f"Take it out; the tasks are: {', '.join(TASKS)}." if role == "score" else "Take it out."

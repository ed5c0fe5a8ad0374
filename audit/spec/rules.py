"""The rules of a policy: what each asks of which metric, and the band that it allows."""

from __future__ import annotations

from dataclasses import dataclass

from audit.registry import COMPARISONS, Alias, Metric, aliases, metrics, split_class, tasks_of, with_class
from audit.result import Rule, Waiver
from audit.spec.bands import Band, band
from audit.spec.model import Document, RuleSpec
from audit.spec.problems import PathKey, Problems, listed, near_hint, quoted, shown

_CONDITIONAL = ("conditional_difference", "conditional_ratio")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule with what the registry knows of it."""

    spec: RuleSpec
    path: PathKey
    entry: Metric | Alias
    parts: tuple[Metric, ...]


def resolve(document: Document, problems: Problems) -> tuple[Rule, ...]:
    """The rules as they will be judged; what is wrong with any goes to `problems`."""
    ids = _ids(document.policy.rules, problems)
    rules = []
    for position, spec in enumerate(document.policy.rules):
        if problems.full:
            break
        path: PathKey = ("policy", "rules", position)
        _attributes(spec, document, path, problems)
        asked = _asked(spec, path, problems)
        if asked is None:
            continue
        if not _fits(asked, document, problems):
            continue
        _roles(asked, document, problems)
        comparison = _comparison(asked, document, problems)
        if comparison is None:
            continue
        allowed = _band(asked, comparison, problems)
        if allowed is not None:
            rules.append(_rule(asked, ids[position], comparison, allowed))
    return tuple(rules)


def _ids(rules: tuple[RuleSpec, ...], problems: Problems) -> list[str]:
    given: dict[str, int] = {}
    for position, rule in enumerate(rules):
        if rule.id is None:
            continue
        if rule.id in given:
            what = f"the rule id {quoted(rule.id)} is taken by rule {given[rule.id] + 1}; ids are unique"
            problems.add(("policy", "rules", position, "id"), what)
        given.setdefault(rule.id, position)
    taken, ids = set(given), []
    for rule in rules:
        name, number = rule.id or rule.metric, 1
        while rule.id is None and name in taken:
            number += 1
            name = f"{rule.metric}-{number}"
        taken.add(name)
        ids.append(name)
    return ids


def _asked(spec: RuleSpec, path: PathKey, problems: Problems) -> _Asked | None:
    known: dict[str, Metric | Alias] = {**metrics(), **aliases()}
    entry = known.get(spec.metric)
    if entry is None:
        base, of_class = split_class(spec.metric)
        if of_class is not None and base in known:
            hint = f"Of one class, write metric: {base} and class: {of_class}."
            problems.add((*path, "metric"), f"`metric`: no metric is called {quoted(spec.metric)}", hint)
            return None
        near = near_hint(spec.metric, known)
        every = "`harm-audit metrics` lists all."
        hint = f"{near} {every}" if near else every
        problems.add((*path, "metric"), f"`metric`: no metric is called {quoted(spec.metric)}", hint)
        return None
    if not entry.comparable:
        problems.add(
            (*path, "metric"),
            f"`metric`: {entry.name} is described and never judged",
            entry.use_when,
        )
        return None
    parts = tuple(metrics()[name] for name in entry.metrics) if isinstance(entry, Alias) else (entry,)
    return _Asked(spec, path, entry, parts)


def _attributes(spec: RuleSpec, document: Document, path: PathKey, problems: Problems) -> None:
    known = document.data.attributes
    if "attributes" in spec.model_fields_set and not spec.attributes:
        problems.add(
            (*path, "attributes"),
            "`attributes` is empty, so the rule would judge nothing",
            "Leave it out for all.",
        )
    for position, name in enumerate(spec.attributes):
        if name not in known:
            what = f"`attributes`: no attribute is called {quoted(name)}; allowed: {listed(known)}"
            problems.add((*path, "attributes", position), what, near_hint(name, known))
        elif name in spec.attributes[:position]:
            problems.add((*path, "attributes", position), f"`attributes` names {quoted(name)} twice")


def _fits(asked: _Asked, document: Document, problems: Problems) -> bool:
    task, fitting = document.data.task_named, tasks_of(asked.entry)
    known: dict[str, Metric | Alias] = {**metrics(), **aliases()}
    of_class = asked.spec.class_
    if of_class is not None and task != "multiclass":
        what = f"`class` goes with the task multiclass; the task here is {task}"
        problems.add((*asked.path, "class"), what, "Take it out, or write task: multiclass under data.")
        return False
    guessed = document.data.task is None and task == "selection"
    if task in fitting or guessed:
        return True
    others = [name for name, entry in known.items() if entry.comparable and task in tasks_of(entry)]
    what = f"`metric`: {asked.entry.name} is for the tasks {listed(fitting)}; the task here is {task}"
    problems.add((*asked.path, "metric"), what, f"Fitting here: {listed(others)}.")
    return False


def _roles(asked: _Asked, document: Document, problems: Problems) -> None:
    data = document.data
    present = {role for role, column in data.columns if column is not None}
    if "score" in present and data.threshold is not None:
        present.add("prediction")
    if document.system.utility is not None:
        present.add("utility")
    needed = dict.fromkeys(role for part in asked.parts for role in part.needs)
    lacking = [role for role in needed if role not in present]
    if not lacking:
        return
    if lacking == ["utility"]:
        what = f"`metric`: {asked.entry.name} needs to know what each outcome is worth"
        hint = "Write system.utility: {tp: 1, fp: -2, fn: -1, tn: 0}, in any one unit."
        problems.add((*asked.path, "metric"), what, hint)
        return
    hint = "Add columns: {" + ", ".join(f"{role}: …" for role in lacking) + "} under data."
    if lacking == ["prediction"] and "score" in present:
        hint = "Add `threshold:` under data, or name a prediction column."
    needs = " and ".join(lacking)
    what = f"`metric`: {asked.entry.name} needs {needs}; `columns` has {listed(sorted(present))}"
    problems.add((*asked.path, "metric"), what, hint)


def _comparison(asked: _Asked, document: Document, problems: Problems) -> str | None:
    spec, path, entry = asked.spec, asked.path, asked.entry
    offered = _offered(asked)
    chosen = spec.comparison
    if chosen is None and isinstance(entry, Alias):
        chosen = entry.comparisons[0]
    if chosen is None:
        what = f"the rule on {entry.name} lacks the key `comparison`; allowed: {listed(offered)}"
        problems.add(path, what, "Say how groups are compared, as comparison: difference.")
        return None
    if chosen not in COMPARISONS:
        what = f"`comparison`: found {shown(chosen)}; allowed: {listed(offered)}"
        problems.add((*path, "comparison"), what, near_hint(chosen, offered))
        return None
    if chosen not in offered:
        what = f"`comparison`: {entry.name} is not compared by {chosen}; allowed: {listed(offered)}"
        problems.add((*path, "comparison"), what)
        return None
    if chosen in _CONDITIONAL and not document.data.control:
        what = f"`comparison`: {chosen} needs strata, and data names no control column"
        problems.add((*path, "comparison"), what, "Add `control: [column]` under data.")
        return None
    return chosen


def _offered(asked: _Asked) -> tuple[str, ...]:
    if isinstance(asked.entry, Alias):
        return asked.entry.comparisons
    metric = asked.entry
    if metric.comparisons:
        return metric.comparisons
    between = ("difference", "ratio") if metric.parity is not None else ()
    strata = _CONDITIONAL if between and metric.numerator is not None else ()
    return (*between, "worst_group", *strata)


def _band(asked: _Asked, comparison: str, problems: Problems) -> Band | None:
    spec, entry = asked.spec, asked.entry
    if isinstance(entry, Alias) and entry.bound is not None:
        given = [key for key in ("at_least", "at_most") if getattr(spec, key) is not None]
        given += ["one_sided"] if "one_sided" in spec.model_fields_set else []
        for key in given:
            what = f"`{key}`: {entry.name} has its bound, {entry.bound:g}, by definition"
            hint = "Take it out, or write metric: selection_rate, comparison: ratio."
            problems.add((*asked.path, key), what, hint)
        return None if given else (entry.bound, None)
    bounded = all(part.unit == "proportion" for part in asked.parts)
    found = band(spec.at_least, spec.at_most, comparison, one_sided=spec.one_sided, proportion=bounded)
    if isinstance(found, tuple):
        return found
    problems.add((*asked.path, found.key) if found.key else asked.path, found.what, found.hint)
    return None


def _rule(asked: _Asked, name: str, comparison: str, allowed: Band) -> Rule:
    spec, entry = asked.spec, asked.entry
    default = entry.judge if isinstance(entry, Alias) else "interval"
    return Rule(
        id=name,
        metric=spec.metric if spec.class_ is None else with_class(spec.metric, spec.class_),
        comparison=comparison,
        lower=allowed[0],
        upper=allowed[1],
        attributes=spec.attributes,
        judge=spec.judge or default,
        severity=spec.severity,
        owner=spec.owner,
        waivers=tuple(
            Waiver(waiver.reason, waiver.approver, waiver.expires.isoformat(), waiver.groups)
            for waiver in spec.waivers
        ),
        line=spec.line,
    )

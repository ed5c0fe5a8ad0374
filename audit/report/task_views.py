"""What the reader of a regression, a multiclass or a ranking audit wants first: errors, classes, places."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from audit.registry import with_class
from audit.report import numbers, words
from audit.report.charts import MOST_ROWS, forests
from audit.report.facts import Case
from audit.report.forest_rows import Axis, Row
from audit.report.groups import SHADES, Cell, GroupRow, cell
from audit.report.svg import Drawing, draw_parts
from audit.result import Group

ERRORS = ("mean_residual", "mae")
PLACES = ("top_k_rate", "exposure", "exposure_per_relevance")
RECALL = "true_positive_rate"
MOST_CLASSES, MOST_GROUPS = 100, 8
CONFUSED_CLASSES, CONFUSED_GROUPS = 20, 6


@dataclass(frozen=True, slots=True)
class TaskFigure:
    """A plot by group, or a table of classes; `kind` is error, spread, recall, confusion or place."""

    anchor: str
    kind: str
    title: str
    attribute: str
    groups: int
    shown: int
    drawings: tuple[Drawing, ...] = ()
    corner: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[GroupRow, ...] = ()
    whole: str = ""


def task_figures(case: Case) -> tuple[TaskFigure, ...]:
    """The figures of the result's task; none for decisions and scores, whose figures stand elsewhere."""
    made: list[TaskFigure] = []
    for attribute in case.result.data.attributes:
        grouping = (attribute.name,)
        size: dict[Group, int] = {
            (value,): rows for value, rows in zip(attribute.values, attribute.rows, strict=True)
        }
        groups = sorted(size, key=lambda group: (-size[group], numbers.name(group)))
        shown = [group for group in groups if not case.withheld.group(grouping, group)]
        if case.result.data.task == "regression":
            made += _regression(case, grouping, shown, len(groups))
        elif case.result.data.task == "multiclass":
            made += _multiclass(case, grouping, shown, len(groups))
        elif case.result.data.task == "ranking":
            made += _points(case, "place", PLACES, grouping, shown, len(groups))
    kinds = list(dict.fromkeys(figure.kind for figure in made))
    made.sort(key=lambda figure: kinds.index(figure.kind))
    return tuple(_numbered(figure, place) for place, figure in enumerate(made, 1))


def _numbered(figure: TaskFigure, place: int) -> TaskFigure:
    anchor = f"first-{place}"
    values = {name: getattr(figure, name) for name in TaskFigure.__slots__}
    return TaskFigure(**{**values, "anchor": anchor})


def _regression(case: Case, grouping: tuple[str, ...], groups: list[Group], count: int) -> list[TaskFigure]:
    made = _points(case, "error", ERRORS, grouping, groups, count)
    spread = _spread(case, grouping, groups)
    if spread:
        said = words.words()["plot"]
        axis = Axis("Prediction", log=False, columns=("median", said["n"], ""), whole=True)
        made.append(_plotted("spread", "spread", "Predictions", grouping, spread, axis, groups, count))
    return made


def _points(
    case: Case,
    kind: str,
    metrics: tuple[str, ...],
    grouping: tuple[str, ...],
    groups: list[Group],
    count: int,
) -> list[TaskFigure]:
    """A plot for each metric that was measured: everyone's value, and each group's."""
    made = []
    for metric in metrics:
        rows = [row for group in [(), *groups[:MOST_ROWS]] if (row := _row(case, metric, grouping, group))]
        if not rows:
            continue
        said = words.words()["plot"]
        parity = 0.0 if metric == "mean_residual" else None
        axis = Axis(words.title(metric), log=False, parity=parity, columns=(said["value"], said["n"], ""))
        made.append(_plotted(kind, metric, words.title(metric), grouping, rows, axis, groups, count))
    return made


def _plotted(
    kind: str,
    name: str,
    title: str,
    grouping: tuple[str, ...],
    rows: list[Row],
    axis: Axis,
    groups: list[Group],
    count: int,
) -> TaskFigure:
    figure = f"fig-{name}-{numbers.clean(grouping[0])}".replace(" ", "-")
    table = tuple(
        GroupRow(row.label, row.n, _figures(row), whole=not index) for index, row in enumerate(rows)
    )
    return TaskFigure(
        anchor="",
        kind=kind,
        title=title,
        attribute=numbers.clean(grouping[0]),
        groups=count,
        shown=min(len(groups), MOST_ROWS),
        drawings=draw_parts(forests(rows, axis), figure=figure),
        columns=("Median", "Middle half", "Middle nine tenths") if kind == "spread" else (title, "Interval"),
        rows=table,
    )


def _figures(row: Row) -> tuple[Cell, ...]:
    """The figure of a row, and what its bars hold, the thick one first."""
    bars = [bar for bar in (row.thick, row.thin) if bar != (None, None)]
    narrow = bars[0] if bars else (None, None)
    texts = (row.figure, *(numbers.interval(*bar, numbers.decimals(*narrow)) for bar in bars))
    return tuple(Cell(text, "", "", "") for text in texts)


def _row(case: Case, metric: str, grouping: tuple[str, ...], group: Group) -> Row | None:
    e = case.estimates.get((metric, grouping if group else (), group))
    if e is None or e.value is None:
        return None
    places = numbers.decimals(e.low, e.high)
    return Row(
        numbers.name(group) if group else words.words()["plot"]["pooled"],
        "described",
        figure=numbers.figure(e.value, places),
        n=numbers.rows(e.n),
        value=e.value,
        thin=(e.low, e.high),
    )


def _spread(case: Case, grouping: tuple[str, ...], groups: list[Group]) -> list[Row]:
    """The median of each group's predictions, its middle half and its middle nine tenths."""
    held = {(spread.grouping, spread.group): spread for spread in case.result.predictions}
    rows = []
    for group in [(), *groups[:MOST_ROWS]]:
        spread = held.get((grouping if group else (), group))
        if spread is None:
            continue
        low, quarter, median, upper, high = spread.quantiles
        places = numbers.decimals(quarter, upper)
        rows.append(
            Row(
                numbers.name(group) if group else words.words()["plot"]["pooled"],
                "described",
                figure=numbers.figure(median, places),
                n=numbers.rows(spread.n),
                value=median,
                thick=(quarter, upper),
                thin=(low, high),
            )
        )
    return rows


def _multiclass(case: Case, grouping: tuple[str, ...], groups: list[Group], count: int) -> list[TaskFigure]:
    classes = case.result.data.classes[:MOST_CLASSES]
    across = groups[:MOST_GROUPS]
    if not any((with_class(RECALL, name), (), ()) in case.estimates for name in classes):
        return []
    recall = TaskFigure(
        anchor="",
        kind="recall",
        title=words.title(RECALL),
        attribute=numbers.clean(grouping[0]),
        groups=count,
        shown=len(across),
        corner="Class",
        columns=("Everyone", *(numbers.name(group) for group in across)),
        rows=_recalls(case, grouping, classes, across),
    )
    tables = _confusions(case, grouping, across[:CONFUSED_GROUPS]) if len(classes) <= CONFUSED_CLASSES else {}
    return [recall] + [
        TaskFigure(
            anchor="",
            kind="confusion",
            title=numbers.name(group),
            attribute=numbers.clean(grouping[0]),
            groups=count,
            shown=min(len(across), CONFUSED_GROUPS),
            corner="Label",
            columns=tuple(numbers.clean(name) for name in classes),
            rows=rows,
        )
        for group, rows in tables.items()
    ]


def _recalls(
    case: Case, grouping: tuple[str, ...], classes: tuple[str, ...], groups: list[Group]
) -> tuple[GroupRow, ...]:
    """Each class's recall by group, shaded by its distance from everyone's."""
    found = {
        (name, group): case.estimates.get((with_class(RECALL, name), grouping if group else (), group))
        for name in classes
        for group in [(), *groups]
    }

    def gap(name: str, group: Group) -> float:
        mine, whole = found[name, group], found[name, ()]
        if mine is None or whole is None or mine.value is None or whole.value is None:
            return 0.0
        return mine.value - whole.value

    reach = max((abs(gap(name, group)) for name in classes for group in groups), default=0.0) or 1.0

    def shade(name: str, group: Group) -> str:
        step = round(SHADES * abs(gap(name, group)) / reach)
        return "" if step == 0 else f"{'lo' if gap(name, group) < 0 else 'hi'}{step}"

    return tuple(
        GroupRow(
            numbers.clean(name),
            "",
            tuple(cell(case, found[name, group], RECALL, shade(name, group)) for group in [(), *groups]),
        )
        for name in classes
    )


def _confusions(
    case: Case, grouping: tuple[str, ...], groups: list[Group]
) -> dict[Group, tuple[GroupRow, ...]]:
    """By group: of the rows with each label, the share that was predicted as each class."""
    classes = case.result.data.classes
    rows: dict[tuple[Group, int, int], float] = defaultdict(float)
    held = [c for c in case.result.cells if grouping[0] in c.grouping]
    first = held[0].grouping if held else ()
    for c in held:
        if c.grouping == first and c.label is not None and c.prediction is not None:
            group: Group = (c.group[c.grouping.index(grouping[0])],)
            rows[group, c.label, c.prediction] += c.n if c.w is None else c.w
    found: dict[Group, tuple[GroupRow, ...]] = {}
    for one in groups:
        made = []
        for label, name in enumerate(classes):
            total = sum(rows[one, label, place] for place in range(len(classes)))
            shares = [rows[one, label, place] / total if total else None for place in range(len(classes))]
            cells = tuple(
                Cell(numbers.percent(share, 0), "", "", "", _depth(share, own=place == label))
                if share is not None
                else Cell("–", "", "", "")
                for place, share in enumerate(shares)
            )
            made.append(GroupRow(numbers.clean(name), "", cells))
        found[one] = tuple(made)
    return found


def _depth(share: float, *, own: bool) -> str:
    """The deeper, the larger the share; right predictions in one colour, wrong ones in the other."""
    step = round(SHADES * share)
    return "" if step == 0 else f"{'hi' if own else 'lo'}{step}"

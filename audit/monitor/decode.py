"""The one query that checks and hashes events: what each text means is settled here, by comparing text."""

from __future__ import annotations

TEXT_LIMIT = 256
"""The longest id or group name; what is longer is refused."""
SEPARATOR, MISSING = "\x1f", "\x1e"
TRUE_TEXT = ("1", "1.0", "true", "True", "TRUE")
FALSE_TEXT = ("0", "0.0", "false", "False", "FALSE")
_PAIRS = (("1", "0"), ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
OPPOSITES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


def _in(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(_quote(v) for v in values)})"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _binary(column: str, positive: str | None) -> str:
    """SQL for 1, 0 or null.

    Without a named positive value the plain words for true and false are known. A named one that
    has a plain opposite (yes, no) takes that as 0 and nothing else; any other has every other
    value as 0. 1.0 is 1, and case does not matter.
    """
    if positive is None:
        return f"CASE WHEN {_in(column, TRUE_TEXT)} THEN 1 WHEN {_in(column, FALSE_TEXT)} THEN 0 END"
    wanted = positive.strip().lower().removesuffix(".0")
    value = f"lower(CASE WHEN {column} LIKE '%.0' THEN {column}[:-3] ELSE {column} END)"
    opposite = OPPOSITES.get(wanted)
    zero = f"WHEN {value} = {_quote(opposite)} THEN 0" if opposite else f"WHEN {column} <> '' THEN 0"
    return f"CASE WHEN {value} = {_quote(wanted)} THEN 1 {zero} END"


def _seconds(column: str) -> str:
    """SQL for seconds since 1970 from ISO 8601 or a number; numbers of 10¹¹ and more are milliseconds."""
    number = f"try_cast({column} AS DOUBLE)"
    sane = f"abs({number}) < 1e15"
    return (
        f"CASE WHEN {number} IS NOT NULL THEN CASE WHEN {sane} THEN "
        f"CAST(floor(CASE WHEN abs({number}) >= 1e11 THEN {number} / 1000 ELSE {number} END) AS BIGINT) END "
        f"ELSE CAST(floor(epoch(try_cast({column} AS TIMESTAMPTZ))) AS BIGINT) END"
    )


def normalise_sql(
    *,
    attributes: int,
    positive_prediction: str | None,
    positive_label: str | None,
    threshold: float,
    source_name: str,
) -> str:
    """The query from the text table `raw` to checked and hashed columns; parameter $latest."""
    groups = [f"a{i}" for i in range(attributes)]
    texts = ["id", "source", "person", "version", *groups]
    odd = " OR ".join(f"regexp_matches({name}, '[\\x00-\\x1f]')" for name in texts)
    long = " OR ".join(f"length({name}) > {TEXT_LIMIT}" for name in texts)
    cell = f" || '{SEPARATOR}' || ".join(f"coalesce({name}, '{MISSING}')" for name in ("version", *groups))
    known = "coalesce(lower(kind) LIKE '%label%', prediction IS NULL AND score IS NULL)"
    number = "try_cast(score AS DOUBLE)"
    scored = f"CASE WHEN isfinite({number}) THEN CAST({number} >= {threshold!r} AS INTEGER) END"
    return f"""
    WITH typed AS MATERIALIZED (
        SELECT *, ({known}) AS is_label,
            coalesce({_binary("prediction", positive_prediction)},
                     CASE WHEN prediction IS NULL THEN {scored} END) AS yhat,
            {_binary("label", positive_label)} AS value,
            {_seconds('"at"')} AS seconds,
            {_seconds("label_at")} AS label_seconds,
            CASE WHEN revision IS NULL THEN 0 ELSE try_cast(revision AS INTEGER) END AS rev
        FROM raw
    ), timed AS (
        SELECT *, CASE WHEN is_label THEN coalesce(label_seconds, seconds) ELSE seconds END AS moment
        FROM typed
    ), judged AS MATERIALIZED (
        SELECT *, CASE
            WHEN fault IS NOT NULL THEN fault
            WHEN id IS NULL OR id = '' THEN 'no_id'
            WHEN {odd} THEN 'wrong_type'
            WHEN {long} THEN 'too_long'
            WHEN moment IS NULL OR moment < 0 OR label_seconds < 0 THEN 'bad_time'
            WHEN moment > $latest OR coalesce(label_seconds, moment) > $latest THEN 'future'
            WHEN NOT is_label AND yhat IS NULL THEN 'bad_prediction'
            WHEN (is_label OR label IS NOT NULL) AND value IS NULL THEN 'bad_label'
            WHEN rev IS NULL OR rev < 0 THEN 'bad_revision'
        END AS reason,
        coalesce(source, {_quote(source_name)}) || '{SEPARATOR}' || id AS name
        FROM timed
    )
    SELECT reason, is_label,
        CASE WHEN reason IS NULL THEN unhex(md5(name)) END AS hash,
        CASE WHEN reason IS NULL AND NOT is_label THEN unhex(md5(person)) END AS person_hash,
        CASE WHEN reason IS NULL AND NOT is_label THEN {cell} END AS cell,
        coalesce(moment, 0) AS "at", coalesce(label_seconds, moment, 0) AS label_at,
        coalesce(try_cast(watched AS DOUBLE), 'nan') AS watched,
        coalesce(try_cast(chance AS DOUBLE), 'nan') AS chance,
        coalesce(yhat, -1) AS yhat, coalesce(value, -1) AS value, coalesce(rev, 0) AS revision
    FROM judged
    """

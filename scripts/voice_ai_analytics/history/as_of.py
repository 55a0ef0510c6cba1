"""Certified sessions and metrics as they were known at a moment."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time

import pandas as pd
import sqlglot
from sqlglot import exp

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Warehouse

FACT, ACTIVITY = "fact_voice_ai_sessions", "voice_ai_user_activity"
VERSIONS = "snapshot.voice_ai_analytics.voice_ai_session_versions"
MOMENTS = "write 2026-03-04, of which the end in UTC is meant, or 2026-03-04T12:00:00Z"


def as_of_moment(text: str, now: datetime | None = None) -> datetime:
    """Read a moment of the past.

    Parameters
    ----------
    text : str
        A day, of which the end in UTC is meant, or an instant in ISO 8601; UTC where it names no
        zone.
    now : datetime, optional
        With a zone; the clock's where not given.

    Returns
    -------
    datetime
        UTC, without a zone.

    Raises
    ------
    UserError
        Where it is neither, or in the future. Today is not: it is known as far as it has come.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    try:
        moment = datetime.combine(date.fromisoformat(text), time.max)
        is_to_come = moment.date() > now.date()
    except ValueError:
        try:
            moment = _without_zone(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:
            raise UserError(f"as of {text!r}: is no day and no instant; {MOMENTS}") from error
        is_to_come = moment > now
    if is_to_come:
        raise UserError(f"as of {text}: is in the future, of which nothing is known yet")
    return moment


def _without_zone(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def told(moment: datetime) -> str:
    """Say a moment of `as_of_moment`: a whole day by its date."""
    if moment.time() == time.max:
        return f"{moment:%Y-%m-%d}, end of day UTC"
    return f"{moment.isoformat(sep=' ')} UTC"


def as_of_sessions(project: DbtProject, moment: datetime) -> str:
    """Give the certified sessions at a moment, to be read in place of the fact.

    Parameters
    ----------
    project : DbtProject
        Built with the var ``voice_ai_snapshot`` on.
    moment : datetime
        UTC without a zone, as from `as_of_moment`; see `check_history`.

    Returns
    -------
    str
        SQL of a subquery in parentheses, to be given an alias: every column of the fact, with
        ``dbt_valid_from`` and ``dbt_valid_to``, between which the row held.

    Raises
    ------
    UserError
        Where the project keeps no history.
    """
    instant = f"cast('{moment.isoformat(sep=' ')}' as timestamp)"
    return (
        f"(select * from {_versions(project)} where dbt_valid_from <= {instant}"
        f" and (dbt_valid_to > {instant} or dbt_valid_to is null))"
    )


def _versions(project: DbtProject) -> str:
    node = project.manifest["nodes"].get(VERSIONS)
    if node is None:
        raise UserError(
            f"{project.directory}: keeps no history; leave the var voice_ai_snapshot true and run"
            " dbt build"
        )
    return node["relation_name"]


def check_history(project: DbtProject, warehouse: Warehouse, moment: datetime) -> None:
    """Refuse a moment before history begins, of which nothing is known.

    Raises
    ------
    UserError
        Says when it begins.
    """
    found = warehouse.query(f"select min(dbt_valid_from) as since from {_versions(project)}")
    since = found["since"].iloc[0]
    if pd.isna(since):
        raise UserError("there is no history yet: no session has been certified")
    if moment < since:
        raise UserError(
            f"as of {told(moment)}: history begins with the build of {since:%Y-%m-%d %H:%M:%S} UTC"
        )


def as_of_statement(
    project: DbtProject, warehouse: Warehouse, statement: str, moment: datetime
) -> str:
    """Let a compiled metric query read the sessions of a moment.

    What is derived from the fact, the activity of users, is derived anew, by the mart's own SQL as
    its view in the warehouse has it.

    Parameters
    ----------
    project : DbtProject
        Built with the var ``voice_ai_snapshot`` on.
    warehouse : Warehouse
        Of that project.
    statement : str
        From `MetricCompiler.compile`.
    moment : datetime
        As for `as_of_sessions`.

    Returns
    -------
    str
        The statement over the past.

    Raises
    ------
    UserError
        Where it reads a table of which no history is kept.
    """
    dialect = project.connection.type
    past = {_place(project.node(FACT)): _parsed(as_of_sessions(project, moment), dialect)}
    activity = _place(project.node(ACTIVITY))
    if definition := _definition(activity, warehouse):
        past[activity] = _replaced(_parsed(definition, dialect), past)
    nodes = project.manifest["nodes"].values()
    calendars = {_place(node) for node in nodes if node.get("time_spine")}
    return _replaced(_parsed(statement, dialect), past, calendars).sql(dialect=dialect)


def _place(node: dict) -> tuple[str, str]:
    return node["schema"], node["alias"]


def _definition(view: tuple[str, str], warehouse: Warehouse) -> str | None:
    """Give a view's SQL from the warehouse: dbt's manifest has it only after a whole build."""
    with warehouse.transaction() as transaction:
        mark = transaction.mark
        found = transaction.run(
            "select definition from pg_catalog.pg_views"
            f" where schemaname = {mark} and viewname = {mark}",
            *view,
        )
    return found[0][0] if found else None


def _parsed(statement: str, dialect: str) -> exp.Query:
    return sqlglot.parse_one(statement, dialect=dialect).find(exp.Select, exp.SetOperation)


def _replaced(
    query: exp.Query, past: dict[tuple, exp.Query], calendars: Collection[tuple] = ()
) -> exp.Query:
    """Replace tables by their past; refuse those that have none and depend on when one looks."""
    parts = {part.alias for part in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        if not table.db and table.name in parts:
            continue
        # PostgreSQL leaves a schema out of a view's SQL where the user's search path names it.
        places = [place for place in (*past, *calendars) if _is_named(table, place)]
        if not places:
            raise UserError(
                f"as of: no history is kept of {table.name}, which this query reads; ask without"
                " --as-of, or without the metrics and dimensions of turns, word errors and changes"
            )
        if places[0] in past:
            table.replace(past[places[0]].subquery(table.alias_or_name))
    return query


def _is_named(table: exp.Table, place: tuple[str, str]) -> bool:
    return table.name == place[1] and table.db in ("", place[0])

"""Compiled metric queries, rewritten to read the past."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlglot
from sqlglot import exp

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.history.as_of import as_of_sessions
from voice_ai_analytics.warehouse import Warehouse

FACT, ACTIVITY = "fact_voice_ai_sessions", "voice_ai_user_activity"


def as_of_statement(
    project: DbtProject, warehouse: Warehouse, statement: str, moment: datetime
) -> str:
    """Return a compiled metric query that reads the sessions of a moment.

    The activity of users is derived from the fact, so it is derived again from the past, by the
    SQL of its view in the warehouse.

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
        Where it reads a table without history.
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
    """Return a view's SQL from the warehouse: dbt's manifest has it only after a whole build."""
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
    """Return the query with tables replaced by their past; refuse tables that have none."""
    parts = {part.alias for part in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        if not table.db and table.name in parts:
            continue
        # PostgreSQL leaves a schema out of a view's SQL if the user's search path has it.
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

"""Which tables the saved queries of a project are exported to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import quoted

ROLL_UP = "voice_ai_roll_up"


@dataclass(frozen=True)
class Export:
    """One table that a saved query is exported to.

    Parameters
    ----------
    table : str
        Its name in the certified schema.
    saved_query : str
        The saved query's name.
    metrics, group_by, where, order_by : tuple of str
        The question, as written in its YAML.
    limit : int or None
        The most rows.
    roll_up : tuple of str
        The columns among ``group_by`` over which there are totals too.
    """

    table: str
    saved_query: str
    metrics: tuple[str, ...]
    group_by: tuple[str, ...]
    where: tuple[str, ...]
    order_by: tuple[str, ...]
    limit: int | None
    roll_up: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns to group by."""
        return tuple(map(_column, self.group_by))

    def totals(self) -> Iterator[tuple[str, ...]]:
        """Yield the sets of columns to take together: first none of them, last all of them."""
        for size in range(len(self.roll_up) + 1):
            yield from combinations(self.roll_up, size)


def exports_of(project: DbtProject, saved_queries: Iterable[str] = ()) -> list[Export]:
    """Read the exports of a project's saved queries from dbt's manifest.

    Parameters
    ----------
    project : DbtProject
        Parsed by dbt.
    saved_queries : iterable of str
        Only these; all if empty.

    Returns
    -------
    list of Export
        In the order of their tables' names.

    Raises
    ------
    UserError
        If a saved query isn't known, two exports share a table, or one asks for what this command
        doesn't do: views, and schemas other than the certified one.
    """
    known = {node["name"]: node for node in project.manifest["saved_queries"].values()}
    wanted = list(saved_queries) or list(known)
    for name in wanted:
        if name not in known:
            raise UserError(f"{name}: no such saved query; there are {', '.join(sorted(known))}")
    relations = {
        node["relation_name"].lower(): name
        for name, node in project.manifest["nodes"].items()
        if node.get("relation_name")
    }
    schema = certified_schema(project)
    found: dict[str, Export] = {}
    for name in wanted:
        for export in known[name]["exports"]:
            one = _export(known[name], export)
            if other := found.get(one.table.lower()):
                raise UserError(
                    f"{one.table}: exported by {other.saved_query} and by {name};"
                    " give one of them another name or alias"
                )
            if node := relations.get(f"{schema}.{quoted(one.table)}".lower()):
                raise UserError(
                    f"saved query {name}: its export {one.table} would replace {node};"
                    " give it another name or alias"
                )
            found[one.table.lower()] = one
    return [found[table] for table in sorted(found)]


def certified_schema(project: DbtProject) -> str:
    """Return the quoted name of the schema that holds the certified fact."""
    return project.relation("fact_voice_ai_sessions").rsplit(".", 1)[0]


def _column(group_by: str) -> str:
    """Return the column of ``Dimension('a')`` or ``TimeDimension('a', 'week')``: a__week."""
    return "__".join(re.findall(r"'(\w+)'", group_by.lower())) or group_by


def _export(saved_query: dict, export: dict) -> Export:
    name, config = saved_query["name"], export["config"]
    if config["export_as"] != "table":
        raise UserError(
            f"saved query {name}: export {export['name']} is a {config['export_as']};"
            " say `export_as: table`"
        )
    if schema := export["unrendered_config"].get("schema"):
        raise UserError(
            f"saved query {name}: export {export['name']} names the schema {schema};"
            " exports go to the certified schema, leave it out"
        )
    asked = saved_query["query_params"]
    roll_up = saved_query["config"]["meta"].get(ROLL_UP, [])
    if not isinstance(roll_up, list):
        raise UserError(f"saved query {name}: {ROLL_UP} in its meta isn't a list of dimensions")
    for dimension in roll_up:
        if not any(f"'{dimension}'" in one for one in asked["group_by"]):
            raise UserError(
                f"saved query {name}: {ROLL_UP} in its meta names {dimension},"
                " by which it does not group"
            )
    if roll_up and asked.get("limit"):
        raise UserError(f"saved query {name}: has {ROLL_UP} and a limit, leave one of them out")
    where = (asked.get("where") or {}).get("where_filters", [])
    return Export(
        table=config.get("alias") or export["name"],
        saved_query=name,
        metrics=tuple(asked["metrics"]),
        group_by=tuple(asked["group_by"]),
        where=tuple(one["where_sql_template"] for one in where),
        order_by=tuple(asked.get("order_by") or ()),
        limit=asked.get("limit"),
        roll_up=tuple(roll_up),
    )

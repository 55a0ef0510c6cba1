"""Exports of saved queries: metric tables for dashboards, small cohorts suppressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.certification import (
    CertifiedBuild,
    certified_build,
    newest_build,
)
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.suppression import COHORT_SIZE, is_small_sql
from voice_ai_analytics.warehouse import Transaction, Warehouse, lock_writers, quoted

LOG = "voice_ai_metric_exports"
IN_THE_MAKING = "voice_ai_export_in_the_making_{}"
SUPPRESSED = "is_suppressed"
ROLL_UP = "voice_ai_roll_up"
ALL = "(all)"
LOG_COLUMNS = """
    table_name text not null,
    saved_query text not null,
    exported_at timestamp not null,
    build_id text not null,
    certified_at timestamp not null,
    row_count bigint not null,
    suppressed_row_count bigint not null,
    min_cohort_size integer not null
"""

# A dashboard that keeps reading must not hold up an export and everyone after it.
LOCK_TIMEOUT = "60s"


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

    def totals(self) -> Iterator[tuple[str, ...]]:
        """Yield the sets of columns to take together: first none of them, last all of them."""
        for size in range(len(self.roll_up) + 1):
            yield from combinations(self.roll_up, size)


@dataclass(frozen=True)
class Exported:
    """The outcome of one export.

    Parameters
    ----------
    relation : str
        The quoted table.
    rows, suppressed_rows : int
        How many rows it has, and how many of them are suppressed.
    build : CertifiedBuild
        The build that it describes.
    """

    relation: str
    rows: int
    suppressed_rows: int
    build: CertifiedBuild


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


def export_metrics(
    project: DbtProject,
    compiler: MetricCompiler,
    warehouse: Warehouse,
    saved_queries: Iterable[str] = (),
    progress: Callable[[str], None] = lambda table: None,
) -> list[Exported]:
    """Write the exports of saved queries as tables of the certified schema, all of them or none.

    All are read from one state of the database and appear in one step. Cohorts below the var
    ``voice_ai_min_cohort_size`` keep their row, are marked in ``is_suppressed`` and have nulls for
    numbers. Totals over the columns that a saved query's meta lists in ``voice_ai_roll_up`` are
    further rows, with ``(all)`` in these columns; MetricFlow computes them, because a mean of
    groups isn't a total. Whoever may read the log of exports may read what is exported.

    Parameters
    ----------
    project : DbtProject
        Built by dbt.
    compiler : MetricCompiler
        Of that project.
    warehouse : Warehouse
        Of that project.
    saved_queries : iterable of str
        Only these; all that have exports if empty.
    progress : callable
        Called with the name of each table when its rows are written, before any is visible.

    Returns
    -------
    list of Exported
        One per table.

    Raises
    ------
    UserError
        If a query can't be compiled, the tables aren't certified, or the database refuses; the
        former tables stay.
    """
    exports = exports_of(project, saved_queries)
    if not exports:
        raise UserError("no saved query has exports; give one an `exports:` block")
    least = project.min_cohort_size
    queries = [
        {taken: _compile(export, compiler, taken) for taken in export.totals()}
        for export in exports
    ]
    make_log(project, warehouse)
    schema = certified_schema(project)
    with warehouse.transaction() as transaction:
        if warehouse.engine == "postgres":
            # One state of the database for all exports: the lock comes before the first read.
            transaction.run("set transaction isolation level repeatable read")
            transaction.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
            lock_log(project, transaction)
            # dbt replaces tables by new ones. PostgreSQL would find a new one by its name, and none
            # of its rows in this state of the database.
            for relation in _read_relations(project):
                transaction.run(f"lock table {relation} in access share mode")
        build = _certified_build(project, transaction)
        ((exported_at,),) = transaction.run("select now() at time zone 'utc'")
        readers = _readers(project, warehouse, transaction)
        written = []
        for number, (export, totals) in enumerate(zip(exports, queries, strict=True)):
            _refuse_to_replace_others(project, export, transaction)
            new = f"{schema}.{quoted(IN_THE_MAKING.format(number))}"
            columns = transaction.columns(totals[()])
            select = " union all ".join(
                _suppressing(export, query, columns, taken, least)
                for taken, query in totals.items()
            )
            transaction.run(f"create table {new} as {select}")
            for reader in readers:
                transaction.run(f"grant select on {new} to {quoted(reader)}")
            ((rows, suppressed),) = transaction.run(
                f"select count(*), count(case when {SUPPRESSED} then 1 end) from {new}"
            )
            entry = {
                "table_name": export.table,
                "saved_query": export.saved_query,
                "exported_at": exported_at,
                "build_id": build.build_id,
                "certified_at": build.certified_at,
                "row_count": rows,
                "suppressed_row_count": suppressed,
                "min_cohort_size": least,
            }
            transaction.insert(log_relation(project), entry)
            relation = f"{schema}.{quoted(export.table)}"
            written.append((new, export.table, Exported(relation, rows, suppressed, build)))
            progress(export.table)
        # Readers wait for whoever drops a table, so this comes last and takes no time.
        for new, table, exported in written:
            transaction.run(f"drop table if exists {exported.relation}")
            transaction.run(f"alter table {new} rename to {quoted(table)}")
    return [exported for _, _, exported in written]


def log_relation(project: DbtProject) -> str:
    """Return the quoted name of the log of exports."""
    return f"{certified_schema(project)}.{quoted(LOG)}"


def make_log(project: DbtProject, warehouse: Warehouse) -> None:
    """Create the log of exports if it isn't there yet: one row per export of one table."""
    with warehouse.transaction() as transaction:
        lock_writers(transaction.cursor, log_relation(project))
        transaction.run(f"create table if not exists {log_relation(project)} ({LOG_COLUMNS})")


def lock_log(project: DbtProject, transaction: Transaction) -> None:
    """Keep other exports and changes of roles out of PostgreSQL until the transaction ends.

    Unlike the advisory lock of other writers, waiting for a table's lock doesn't fix which state
    of the database the transaction sees.
    """
    transaction.run(f"lock table {log_relation(project)} in share row exclusive mode")


def exported_tables(project: DbtProject, transaction: Transaction) -> set[str]:
    """Return the names of all tables that exports have made."""
    return {name for (name,) in transaction.run(f"select table_name from {log_relation(project)}")}


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


def _compile(export: Export, compiler: MetricCompiler, taken: tuple[str, ...]) -> str:
    metrics = list(dict.fromkeys([*export.metrics, COHORT_SIZE]))
    group_by = [one for one in export.group_by if not any(f"'{name}'" in one for name in taken)]
    # The parts of a union have no order; dashboards sort.
    order_by = () if export.roll_up else export.order_by
    try:
        return compiler.compile(metrics, group_by, export.where, order_by, export.limit)
    except UserError as error:
        raise UserError(
            f"saved query {export.saved_query}: can't be asked together with {COHORT_SIZE},"
            f" by which small cohorts are found: {error}"
        ) from error


def _suppressing(
    export: Export, query: str, columns: dict[str, bool], taken: tuple[str, ...], least: int
) -> str:
    is_small = is_small_sql(quoted(COHORT_SIZE), least)
    selected = []
    for name, is_instant in columns.items():
        if name in (*export.metrics, COHORT_SIZE):
            continue
        read = f"'{ALL}'" if name in taken else quoted(name)
        if is_instant:
            # PostgreSQL truncates dates to instants with a zone, which each reader sees in theirs.
            read = f"cast({read} as timestamp)"
        elif name in export.roll_up:
            read = f"cast({read} as text)"
        selected.append(f"{read} as {quoted(name)}")
    selected.append(f"{is_small} as {SUPPRESSED}")
    for name in map(quoted, export.metrics):
        selected.append(f"case when not ({is_small}) then {name} end as {name}")
    return f"select {', '.join(selected)} from (\n{query}\n) as metrics"


def _read_relations(project: DbtProject) -> list[str]:
    """Return everything that metric queries can read: tables before the views over them."""
    manifest = project.manifest
    models = {"model.voice_ai_analytics.voice_ai_builds"}
    models.update(name for name, node in manifest["nodes"].items() if node.get("time_spine"))
    for semantic_model in manifest["semantic_models"].values():
        models.update(semantic_model["depends_on"]["nodes"])
    nodes = [manifest["nodes"][name] for name in models]
    nodes.sort(key=lambda node: (node["config"]["materialized"] == "view", node["unique_id"]))
    return [node["relation_name"] for node in nodes]


def _certified_build(project: DbtProject, transaction: Transaction) -> CertifiedBuild:
    query = newest_build(project)
    names = list(transaction.columns(query))
    rows = [dict(zip(names, row, strict=True)) for row in transaction.run(query)]
    return certified_build(rows)


def _readers(project: DbtProject, warehouse: Warehouse, transaction: Transaction) -> list[str]:
    """Return who may read the log, and so what is exported: a new table needs no new grants."""
    if warehouse.engine != "postgres":
        return []
    rows = transaction.run(
        """
        select distinct pg_roles.rolname
        from pg_class, aclexplode(pg_class.relacl) as granted, pg_roles
        where
            pg_class.oid = cast(%s as regclass)
            and pg_roles.oid = granted.grantee
            and granted.privilege_type = 'SELECT'
            and granted.grantee <> pg_class.relowner
        order by pg_roles.rolname
        """,
        log_relation(project),
    )
    return [name for (name,) in rows]


def _refuse_to_replace_others(
    project: DbtProject, export: Export, transaction: Transaction
) -> None:
    if export.table in exported_tables(project, transaction):
        return
    schema = project.node("fact_voice_ai_sessions")["schema"]
    if export.table in transaction.tables(schema):
        raise UserError(
            f"saved query {export.saved_query}: {schema}.{export.table} is there and was not made"
            " by an export; drop it, or give the export another alias"
        )

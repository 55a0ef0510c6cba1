"""Exports of saved queries: metric tables for dashboards, small cohorts suppressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.certification import (
    CertifiedBuild,
    certified_build,
    newest_build,
)
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.disclosure.groups import Rows
from voice_ai_analytics.metrics.disclosure.parts import Definitions
from voice_ai_analytics.metrics.disclosure.plan import Plan
from voice_ai_analytics.metrics.saved_queries import Export, certified_schema, exports_of
from voice_ai_analytics.metrics.staged_exports import (
    SESSION,
    USER,
    StagedExport,
    session_rows,
)
from voice_ai_analytics.warehouse import Transaction, Warehouse, lock_writers, quoted

LOG = "voice_ai_metric_exports"
IN_THE_MAKING = "voice_ai_export_in_the_making_{}"
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
    wanted = exports_of(project, saved_queries)
    if not wanted:
        raise UserError("no saved query has exports; give one an `exports:` block")
    # What one table shows may reveal what another hides, so that all are planned together, also
    # those that are left as they are.
    planned = [StagedExport(export, number) for number, export in enumerate(exports_of(project))]
    staged = [one for one in planned if one.export in wanted]
    for one in staged:
        one.compile(compiler)
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
        for one in staged:
            one.stage(transaction)
        plan = _plan(project, compiler, transaction, planned)
        # Who may read the log may read what is exported: a new table needs no new grants.
        is_postgres = warehouse.engine == "postgres"
        readers = transaction.readers(log_relation(project)) if is_postgres else []
        written = []
        for number, one in enumerate(staged):
            export = one.export
            one.hide(transaction, plan)
            _refuse_to_replace_others(project, export, transaction)
            new = f"{schema}.{quoted(IN_THE_MAKING.format(number))}"
            rows, suppressed = one.write(transaction, new)
            for reader in readers:
                transaction.run(f"grant select on {new} to {quoted(reader)}")
            entry = {
                "table_name": export.table,
                "saved_query": export.saved_query,
                "exported_at": exported_at,
                "build_id": build.build_id,
                "certified_at": build.certified_at,
                "row_count": rows,
                "suppressed_row_count": suppressed,
                "min_cohort_size": project.min_cohort_size,
            }
            transaction.insert(log_relation(project), entry)
            relation = f"{schema}.{quoted(export.table)}"
            written.append((one, new, Exported(relation, rows, suppressed, build)))
            progress(export.table)
        _audit(plan, transaction, written)
        # Readers wait for whoever drops a table, so this comes last and takes no time.
        for one, new, exported in written:
            transaction.run(f"drop table if exists {exported.relation}")
            transaction.run(f"alter table {new} rename to {quoted(one.export.table)}")
    return [exported for _, _, exported in written]


def _plan(
    project: DbtProject,
    compiler: MetricCompiler,
    transaction: Transaction,
    planned: Sequence[StagedExport],
) -> Plan:
    """Return what is hidden; MetricFlow computes what each session adds to each number."""
    engine = project.connection.type

    def ask(metrics: list[str], dimensions: list[str], conditions: Sequence[str]) -> Rows:
        query = compiler.compile(metrics, [*dimensions, SESSION, USER], conditions)
        return session_rows(transaction, engine, query, metrics, dimensions)

    def fits(metrics: list[str], dimensions: list[str]) -> bool:
        return {*dimensions} <= set(compiler.dimensions(metrics))

    tables = [one.published for one in planned]
    return Plan(tables, Definitions(project.semantics), project.min_cohort_size, ask, fits)


def _audit(plan: Plan, transaction: Transaction, written: list) -> None:
    """Refuse tables from which a hidden number can be computed."""
    shown = (seen for one, new, _ in written for seen in one.shown(transaction, new))
    if found := plan.audit(shown):
        raise UserError(
            f"export-metrics: hidden numbers could be computed from others ({', '.join(found)});"
            " nothing was exported; export fewer totals or dimensions"
        )


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

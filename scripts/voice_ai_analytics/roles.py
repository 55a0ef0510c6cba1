"""The certified boundary on PostgreSQL: two roles that can read certified tables and no more."""

from __future__ import annotations

import os
from dataclasses import dataclass

from psycopg2.extensions import encrypt_password

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.exports import LOG, exported_tables, lock_log, make_log
from voice_ai_analytics.warehouse import Transaction, Warehouse, quoted

METRICS_ROLE = "voice_ai_metrics_reader"
CERTIFIED_ROLE = "voice_ai_certified_reader"
METRICS_PASSWORD = "VOICE_AI_METRICS_READER_PASSWORD"  # noqa: S105, the name of a variable
CERTIFIED_PASSWORD = "VOICE_AI_CERTIFIED_READER_PASSWORD"  # noqa: S105

# Tables, views and the like that a role can read in part or whole, except those of extensions.
READABLE = """
    select pg_namespace.nspname, pg_class.relname
    from pg_class
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
        and pg_namespace.nspname not in ('pg_catalog', 'information_schema')
        and has_schema_privilege(%s, pg_namespace.oid, 'usage')
        and (
            has_table_privilege(%s, pg_class.oid, 'select')
            or has_any_column_privilege(%s, pg_class.oid, 'select')
        )
        and not exists (
            select 1
            from pg_depend
            where
                pg_depend.classid = cast('pg_class' as regclass)
                and pg_depend.objid = pg_class.oid
                and pg_depend.deptype = 'e'
        )
    order by pg_namespace.nspname, pg_class.relname
"""


@dataclass(frozen=True)
class ReadingRole:
    """A role, its schema, and the tables and views there that it can read."""

    role: str
    schema: str
    tables: tuple[str, ...]


def create_roles(
    project: DbtProject,
    warehouse: Warehouse,
    metrics_role: str = METRICS_ROLE,
    certified_role: str = CERTIFIED_ROLE,
) -> list[ReadingRole]:
    """Create two roles of a PostgreSQL database, or repair them; safe to repeat.

    One reads the tables of exported metrics and the log of exports, the other everything in the
    certified schema, including what later builds and exports create there. At the end the database
    itself is asked what they can read; if that is more, nothing is changed.

    The roles can log in if the server lets them: with the passwords in the environment
    variables ``VOICE_AI_METRICS_READER_PASSWORD`` and ``VOICE_AI_CERTIFIED_READER_PASSWORD``,
    which are sent as SCRAM verifiers, never as text; or as members' roles without one.

    Parameters
    ----------
    project : DbtProject
        Built by dbt as the user that runs this command, who owns what later builds create.
    warehouse : Warehouse
        Of that project.
    metrics_role, certified_role : str
        Their names.

    Returns
    -------
    list of ReadingRole
        What each of the two can read now.

    Raises
    ------
    UserError
        On DuckDB, which has no roles; if the certified schema holds other models; if a role has
        more rights; if a role could still read something else, through PUBLIC or another role.
    """
    if warehouse.engine != "postgres":
        raise UserError(
            f"{warehouse.engine} has no roles; whoever can open the file can read all of it:"
            " give readers a copy of the certified schema"
        )
    if metrics_role == certified_role:
        raise UserError(f"{metrics_role}: name two different roles")
    schema = _schema_of_its_own(project)
    make_log(project, warehouse)
    with warehouse.transaction() as transaction:
        lock_log(project, transaction)
        for role, password in (
            (metrics_role, METRICS_PASSWORD),
            (certified_role, CERTIFIED_PASSWORD),
        ):
            _make(role, os.environ.get(password), schema, transaction)
        exported = exported_tables(project, transaction) & transaction.tables(schema)
        for table in sorted(exported | {LOG}):
            _grant(f"{quoted(schema)}.{quoted(table)}", metrics_role, transaction)
        _grant(f"all tables in schema {quoted(schema)}", certified_role, transaction)
        transaction.run(
            f"alter default privileges in schema {quoted(schema)}"
            f" grant select on tables to {quoted(certified_role)}"
        )
        return [
            _verified(metrics_role, schema, exported | {LOG}, transaction),
            _verified(certified_role, schema, None, transaction),
        ]


def _schema_of_its_own(project: DbtProject) -> str:
    """Return the certified schema; refuse one that also holds models that aren't certified."""
    schema = project.node("fact_voice_ai_sessions")["schema"]
    for node in project.manifest["nodes"].values():
        certified = is_certified(node)
        if node.get("relation_name") and node["schema"] == schema and not certified:
            raise UserError(
                f"schema {schema}: it holds {node['name']} beside the certified models;"
                " give those a schema of their own, as dbt does by itself"
            )
    return schema


def is_certified(node: dict) -> bool:
    """Return whether a node of dbt's manifest is a certified model or snapshot of the package.

    The property ``voice_ai_certified`` in its meta says so, wherever its file is.
    """
    meta = node["config"].get("meta") or {}
    return node["package_name"] == "voice_ai_analytics" and meta.get("voice_ai_certified") is True


def _make(role: str, password: str | None, schema: str, transaction: Transaction) -> None:
    """Create a role that can use the certified schema and can't read anything there yet."""
    found = transaction.run(
        """
        select
            rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
            or rolname = current_user
            or exists (select 1 from pg_auth_members where member = pg_roles.oid)
            or exists (
                select 1 from pg_shdepend where refobjid = pg_roles.oid and deptype = 'o'
            )
        from pg_roles
        where rolname = %s
        """,
        role,
    )
    if found and found[0][0]:
        raise UserError(
            f"role {role}: it has more rights than a reader, owns something or is a member of"
            " another role; name a role of its own"
        )
    name = quoted(role)
    transaction.run(f"{'alter' if found else 'create'} role {name} login")
    transaction.run(f"alter role {name} set default_transaction_read_only = on")
    if password:
        verifier = encrypt_password(password, role, transaction.cursor, "scram-sha-256")
        transaction.run(f"alter role {name} password %s", verifier)
    ((database, may_connect),) = transaction.run(
        "select current_database(), has_database_privilege(%s, current_database(), 'connect')",
        role,
    )
    if not may_connect:
        transaction.run(f"grant connect on database {quoted(database)} to {name}")
    transaction.run(f"grant usage on schema {quoted(schema)} to {name}")
    # Grants made by hand, or on a table that isn't an export any more.
    transaction.run(f"revoke all on all tables in schema {quoted(schema)} from {name}")


def _grant(what: str, role: str, transaction: Transaction) -> None:
    transaction.run(f"grant select on {what} to {quoted(role)}")


def _verified(
    role: str, schema: str, expected: set[str] | None, transaction: Transaction
) -> ReadingRole:
    readable = transaction.run(READABLE, role, role, role)
    others = [
        f"{found}.{table}"
        for found, table in readable
        if found != schema or (expected is not None and table not in expected)
    ]
    if others:
        raise UserError(
            f"role {role}: it could also read {', '.join(others[:5])}"
            f"{f' and {len(others) - 5} more' if len(others) > 5 else ''};"
            " revoke what it or PUBLIC may read there, then run this again"
        )
    return ReadingRole(role, schema, tuple(table for _, table in readable))

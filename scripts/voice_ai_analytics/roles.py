"""The certified boundary on PostgreSQL: two roles that can read certified tables and no more."""

from __future__ import annotations

import os
from dataclasses import dataclass

from psycopg2.extensions import encrypt_password

from voice_ai_analytics.dbt_project import DbtProject, is_certified
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.exports import LOG, exported_tables, lock_log, make_log
from voice_ai_analytics.warehouse import WRITTEN_BY_US, Transaction, Warehouse, quoted

METRICS_ROLE = "voice_ai_metrics_reader"
CERTIFIED_ROLE = "voice_ai_certified_reader"
METRICS_PASSWORD = "VOICE_AI_METRICS_READER_PASSWORD"  # noqa: S105, the name of a variable
CERTIFIED_PASSWORD = "VOICE_AI_CERTIFIED_READER_PASSWORD"  # noqa: S105
# Each certified model of a build is granted to the roles in this table, by the macro
# grant_to_readers: dbt replaces tables, and a new table has no grants.
READERS = "voice_ai_certified_readers"
# No reader may take all connections of the server.
CONNECTIONS = 30
# A transaction that stays open keeps dbt from replacing what it has read. A session can set these
# anew, so builds and commands give up waiting, too.
SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "5min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "transaction_timeout": "10min",
}

# What a role owns in any database, but for temporary objects, which end with their session.
OWNED = """
    select owned.what
    from (
        select
            case
                when pg_database.datname = current_database()
                    then pg_describe_object(classid, objid, objsubid)
                else 'something in database ' || coalesce(pg_database.datname, '')
            end as what
        from pg_shdepend
        left join pg_database on pg_database.oid = pg_shdepend.dbid
        where
            refclassid = cast('pg_authid' as regclass)
            and refobjid = cast(quote_ident(%s) as regrole)
            and deptype = 'o'
    ) as owned
    where owned.what !~ 'pg_(toast_)?temp_[0-9]+[.]'
    order by owned.what
"""
# Who creates tables in which schema that a role, or everyone, may read from then on.
READABLE_LATER = """
    select distinct pg_get_userbyid(pg_default_acl.defaclrole), pg_namespace.nspname
    from pg_default_acl
    left join pg_namespace on pg_default_acl.defaclnamespace = pg_namespace.oid
    cross join aclexplode(pg_default_acl.defaclacl) as granted
    where
        pg_default_acl.defaclobjtype = 'r'
        and granted.privilege_type = 'SELECT'
        and (granted.grantee = 0 or granted.grantee = cast(quote_ident(%s) as regrole))
        and (
            pg_namespace.oid is null
            or has_schema_privilege(%s, pg_namespace.oid, 'usage')
        )
"""

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

    One reads the tables of exported metrics and the log of exports; the other also what dbt's
    manifest calls certified, and what analyses write beside it. Each table is granted by name, and
    nothing else in the schema is readable. Later builds, exports and analyses grant what they
    replace. At the end the database itself is asked what the roles can read; if that is more,
    nothing is changed.

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
        On DuckDB, which has no roles; if the certified schema holds raw tables or staging models;
        if a role has more rights or owns tables; if a role could still read something else,
        through PUBLIC or another role.
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
        found = transaction.tables(schema)
        exported = (exported_tables(project, transaction) & found) | {LOG}
        certified = {
            node["alias"]
            for node in project.manifest["nodes"].values()
            if is_certified(node) and node["schema"] == schema
        }
        certified |= _results(schema, transaction)
        readable = {metrics_role: exported, certified_role: exported | (certified & found)}
        for role, password in (
            (metrics_role, METRICS_PASSWORD),
            (certified_role, CERTIFIED_PASSWORD),
        ):
            _make(role, os.environ.get(password), transaction)
            _grant(role, schema, readable[role], transaction)
        _remember(certified_role, project, transaction)
        return [_verified(role, schema, names, transaction) for role, names in readable.items()]


def _schema_of_its_own(project: DbtProject) -> str:
    """Return the certified schema; refuse one with raw tables or the package's staging models.

    Neither would be granted. But the schema was meant to be read, and others grant all of it.
    """
    schema = project.node("fact_voice_ai_sessions")["schema"]
    inside = [
        f"the source table {node['name']}"
        for node in project.manifest["sources"].values()
        # dbt doesn't quote the schema of every source, and PostgreSQL then reads lower case.
        if node["schema"].lower() == schema.lower()
    ]
    inside += [
        node["name"]
        for node in project.manifest["nodes"].values()
        if node["schema"] == schema
        and node["package_name"] == "voice_ai_analytics"
        and node.get("relation_name")
        and not is_certified(node)
    ]
    if inside:
        raise UserError(
            f"schema {schema}: it holds {', '.join(sorted(inside)[:5])} beside the certified"
            " models; give those a schema of their own, as dbt does unless a generate_schema_name"
            " or a +schema of yours says otherwise"
        )
    return schema


def _results(schema: str, transaction: Transaction) -> set[str]:
    """Return the tables of a schema that analyses have written."""
    rows = transaction.run(
        """
        select relname from pg_class
        where
            relnamespace = cast(quote_ident(%s) as regnamespace)
            and obj_description(oid, 'pg_class') = %s
        """,
        schema,
        WRITTEN_BY_US,
    )
    return {name for (name,) in rows}


def _make(role: str, password: str | None, transaction: Transaction) -> None:
    """Create a role that can connect, or make an existing one what a new one would be."""
    found = transaction.run(
        """
        select
            rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
            or rolname = current_user
            or exists (select 1 from pg_auth_members where member = pg_roles.oid)
        from pg_roles
        where rolname = %s
        """,
        role,
    )
    if found and found[0][0]:
        raise UserError(
            f"role {role}: it has more rights than a reader, or is a member of another role;"
            " name a role of its own"
        )
    name = quoted(role)
    transaction.run(
        f"{'alter' if found else 'create'} role {name} login connection limit {CONNECTIONS}"
    )
    # To see its sessions, to end them, and to remove what they leave behind.
    ((is_ours,),) = transaction.run("select pg_has_role(%s, 'usage')", role)
    if not is_ours:
        transaction.run(f"grant {name} to current_user")
    _remove_leftovers(role, transaction)
    _set(role, transaction)
    if password:
        verifier = encrypt_password(password, role, transaction.cursor, "scram-sha-256")
        transaction.run(f"alter role {name} password %s", verifier)
    ((database, may_connect),) = transaction.run(
        "select current_database(), has_database_privilege(%s, current_database(), 'connect')",
        role,
    )
    if not may_connect:
        transaction.run(f"grant connect on database {quoted(database)} to {name}")


def _remove_leftovers(role: str, transaction: Transaction) -> None:
    """Delete a role's large objects, which any role can create; refuse if it owns anything else."""
    transaction.run(
        "select lo_unlink(oid) from pg_largeobject_metadata"
        " where lomowner = cast(quote_ident(%s) as regrole)",
        role,
    )
    if owned := [what for (what,) in transaction.run(OWNED, role)]:
        raise UserError(
            f"role {role}: it owns {', '.join(owned[:5])}; a reader owns nothing: drop that, or"
            " name a role of its own"
        )


def _set(role: str, transaction: Transaction) -> None:
    """Set a role's defaults anew: it may have changed them itself, also per database."""
    name = quoted(role)
    transaction.run(f"alter role {name} reset all")
    for (database,) in transaction.run(
        """
        select pg_database.datname
        from pg_db_role_setting
        inner join pg_database on pg_db_role_setting.setdatabase = pg_database.oid
        where pg_db_role_setting.setrole = cast(quote_ident(%s) as regrole)
        """,
        role,
    ):
        transaction.run(f"alter role {name} in database {quoted(database)} reset all")
    for setting, value in SETTINGS.items():
        # PostgreSQL has transaction_timeout since version 17.
        if transaction.run("select 1 from pg_settings where name = %s", setting):
            transaction.run(f"alter role {name} set {setting} = '{value}'")


def _grant(role: str, schema: str, tables: set[str], transaction: Transaction) -> None:
    """Let a role read these tables of a schema, and no other: not those that are new later."""
    place, name = quoted(schema), quoted(role)
    transaction.run(f"grant usage on schema {place} to {name}")
    transaction.run(f"revoke all on all tables in schema {place} from {name}")
    transaction.run(f"alter default privileges in schema {place} revoke all on tables from {name}")
    for table in sorted(tables):
        transaction.run(f"grant select on {place}.{quoted(table)} to {name}")


def _remember(role: str, project: DbtProject, transaction: Transaction) -> None:
    """Write down a role to which builds grant what they replace."""
    readers = f"{quoted(project.node('int_voice_ai__build')['schema'])}.{READERS}"
    transaction.run(f"create table if not exists {readers} (role_name text primary key)")
    transaction.run(f"insert into {readers} values (%s) on conflict do nothing", role)  # noqa: S608


def _verified(role: str, schema: str, expected: set[str], transaction: Transaction) -> ReadingRole:
    readable = transaction.run(READABLE, role, role, role)
    others = [
        f"{found}.{table}" for found, table in readable if found != schema or table not in expected
    ]
    if others:
        raise UserError(
            f"role {role}: it could also read {', '.join(others[:5])}"
            f"{f' and {len(others) - 5} more' if len(others) > 5 else ''};"
            " revoke what it or PUBLIC may read there, then run this again"
        )
    for creator, place in transaction.run(READABLE_LATER, role, role):
        where = f" in schema {place}" if place else ""
        raise UserError(
            f"role {role}: it could also read every table that {creator} creates{where} from now"
            " on; as that user, alter default privileges to revoke select from it and PUBLIC, then"
            " run this again"
        )
    return ReadingRole(role, schema, tuple(table for _, table in readable))

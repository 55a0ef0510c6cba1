"""Deleting a session, or a user with all their sessions, from every table of the package."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import psycopg2

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, Warehouse, lock_writers, quoted

# Tables of this and of earlier versions of the package, by their names.
OURS = re.compile(r"^((stg|int|fact|quarantine|input)_)?voice_ai_")
# The column that tells tables of word errors, whose rows need not name a session.
EVALUATED = "reference_words"
BUILD_LOCK = "voice_ai_build_lock"
SESSIONS, TURNS = "voice_ai_forgotten_sessions", "voice_ai_forgotten_turns"
# What ties a row to a session: its columns, as this condition joins it with the session.
BY_ID = "gone.platform = given.platform and gone.session_id = given.session_id"
BY_KEY = "gone.session_key = given.session_key"
BY_TURN = "gone.platform = given.platform and gone.turn_id = given.turn_id"
# The key of a turn, as the macro `key` writes it, of a session and a row that has a turn's id.
TURN_KEY = (
    "md5(cast(length(gone.platform) as text) || ':' || gone.platform || ':'"
    " || cast(length(gone.session_id) as text) || ':' || gone.session_id || ':' || given.turn_id)"
)


def forget(
    project: DbtProject,
    warehouse: Warehouse,
    platform: str | None = None,
    session: str | None = None,
    user: str | None = None,
) -> dict[str, int]:
    """Delete a session, or a user with all their sessions, in one transaction.

    Certified tables, history, quarantine, staging tables and the word errors of evaluate-asr are
    included, also those that an earlier version of the package left. Counts of what was loaded
    when stay.

    Parameters
    ----------
    project : DbtProject
        Built by dbt.
    warehouse : Warehouse
        Of that project.
    platform, session : str or None
        The session's identity.
    user : str or None
        The user's id, as the source has it; instead of a session.

    Returns
    -------
    dict of str to int
        Deleted rows by table; empty the second time.

    Raises
    ------
    UserError
        If the source still has rows of the session or user, which the next build would bring back;
        if a build is running; if neither a session nor a user is named.
    """
    if bool(user) == bool(platform or session) or bool(platform) != bool(session):
        raise UserError("name a session with --platform and --session, or a user with --user")
    with warehouse.transaction() as transaction:
        _keep_builds_out(project, warehouse, transaction)
        tables = _tables(project, transaction)
        user_key = _user_key(project, transaction, tables, user) if user else None
        sessions = [(platform, session)]
        if user:
            sessions = _sessions_of(user, user_key, tables, transaction)
        _note_sessions(sessions, warehouse.engine, transaction)
        _note_turns(project, tables, warehouse.engine, transaction)
        what = f"user {user}" if user else f"session {session} of platform {platform}"
        _refuse_if_in_source(what, user, project, transaction)
        deleted = {}
        for table, columns in tables.items():
            condition, values = _condition(columns, user, user_key, transaction.mark)
            if condition and (rows := _delete(table, condition, values, transaction)):
                deleted[table] = rows
        return deleted


def session_key(platform: str, session: str) -> str:
    """Return the key of a session; the macro ``key`` is the same in SQL."""
    text = f"{len(platform)}:{platform}:{session}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _keep_builds_out(project: DbtProject, warehouse: Warehouse, transaction: Transaction) -> None:
    """Wait for other writers; refuse beside a build at work, and stop one that is between models.

    On PostgreSQL each model of a build holds a table of this name, and ends the build if the
    build's id isn't in it any more. A DuckDB file belongs to one process at a time.
    """
    lock_writers(transaction.cursor, *project.source("asr_word_errors"))
    schema = project.node("int_voice_ai__build")["schema"]
    if warehouse.engine != "postgres" or BUILD_LOCK not in transaction.tables(schema):
        return
    build_lock = f"{quoted(schema)}.{quoted(BUILD_LOCK)}"
    try:
        transaction.run(f"lock table {build_lock} in access exclusive mode nowait")
    except psycopg2.errors.LockNotAvailable as error:
        raise UserError(
            "a build of voice_ai_analytics is running; run this again when it is done"
        ) from error
    transaction.run(f"delete from {build_lock}")


def _tables(project: DbtProject, transaction: Transaction) -> dict[str, set[str]]:
    """Return the columns of every table of the package, by the table's quoted name."""
    nodes = [node for node in project.manifest["nodes"].values() if node.get("relation_name")]
    ours = [node for node in nodes if node["package_name"] == "voice_ai_analytics"]
    others = {
        (node["schema"], node["alias"])
        for node in nodes
        if node["package_name"] != "voice_ai_analytics"
    }
    errors, _ = project.source("asr_word_errors")
    places = {(node["schema"], node["alias"]) for node in ours}
    found: dict[str, set[str]] = {}
    for schema in sorted({schema for schema, _ in places} | {errors}):
        rows = transaction.run(
            f"""
            select tables.table_name, lower(columns.column_name)
            from information_schema.tables as tables
            inner join information_schema.columns as columns
                on tables.table_schema = columns.table_schema
                and tables.table_name = columns.table_name
            where tables.table_type = 'BASE TABLE' and tables.table_schema = {transaction.mark}
            """,
            schema,
        )
        for name, column in rows:
            is_ours = (schema, name) in places or (
                OURS.match(name) and schema != errors and (schema, name) not in others
            )
            if is_ours or _is_word_errors(project, schema, name):
                found.setdefault(f"{quoted(schema)}.{quoted(name)}", set()).add(column)
    return found


def _is_word_errors(project: DbtProject, schema: str, name: str) -> bool:
    errors, relation = project.source("asr_word_errors")
    return (schema, name) == (errors, relation.rsplit(".", 1)[-1].strip('"'))


def _user_key(
    project: DbtProject, transaction: Transaction, tables: Iterable[str], user: str
) -> str | None:
    """Return the key of a user, or None if nothing was built yet that could hold it."""
    node = project.node("stg_voice_ai__salt")
    if f"{quoted(node['schema'])}.{quoted(node['alias'])}" not in tables:
        return None
    ((salt,),) = transaction.run(f"select salt from {node['relation_name']}")
    return hashlib.sha256(f"{salt}{user}".encode()).hexdigest()


def _sessions_of(
    user: str, user_key: str | None, tables: dict[str, set[str]], transaction: Transaction
) -> list[tuple[str, str]]:
    sessions = set()
    for table, columns in tables.items():
        if {"platform", "session_id"} <= columns:
            for column, value in (("user_key", user_key), ("user_id", user)):
                if column in columns:
                    sessions.update(
                        transaction.run(
                            f"select platform, session_id from {table}"
                            f" where {column} = {transaction.mark}",
                            value,
                        )
                    )
    return sorted(one for one in sessions if None not in one)


def _note_sessions(sessions: list[tuple], engine: str, transaction: Transaction) -> None:
    columns = "platform text, session_id text, session_key text"
    ends = "on commit drop" if engine == "postgres" else ""
    transaction.run(f"create temporary table {SESSIONS} ({columns}) {ends}")
    for platform, session in sessions:
        key = session_key(platform, session)
        row = {"platform": platform, "session_id": session, "session_key": key}
        transaction.insert(SESSIONS, row)


def _note_turns(
    project: DbtProject, tables: dict[str, set[str]], engine: str, transaction: Transaction
) -> None:
    """Note the sessions' turns, because a reference or an evaluation need not name its session."""
    columns = "platform text, session_id text, turn_id text"
    ends = "on commit drop" if engine == "postgres" else ""
    transaction.run(f"create temporary table {TURNS} ({columns}) {ends}")
    select = f"insert into {TURNS} select gone.platform, gone.session_id, given.turn_id from"
    for table, columns in tables.items():
        tie = BY_ID if {"platform", "session_id"} <= columns else BY_KEY
        if "turn_id" in columns and ("session_key" in columns or tie == BY_ID):
            transaction.run(f"{select} {table} as given inner join {SESSIONS} as gone on {tie}")
    # An evaluation's key begins with its turn's.
    _, errors = project.source("asr_word_errors")
    evaluations = project.relation("fact_voice_ai_asr_evaluations")
    if {_in_schema(errors), _in_schema(evaluations)} <= tables.keys():
        transaction.run(
            f"{select} {errors} as given"
            f" inner join {SESSIONS} as gone on gone.platform = given.platform"
            f" inner join {evaluations} as evaluations on {TURN_KEY}"
            " = substr(evaluations.evaluation_key, 1, 32)"
        )


def _in_schema(relation: str) -> str:
    """Return a quoted name without its database."""
    return ".".join(relation.split(".")[-2:])


def _refuse_if_in_source(
    what: str, user: str | None, project: DbtProject, transaction: Transaction
) -> None:
    left = {}
    for table in ("sessions", "turns", "users"):
        columns = {"platform", "session_id"} if table != "users" else set()
        columns |= {"user_id"} if table != "turns" else set()
        condition, values = _condition(columns, user, None, transaction.mark)
        if condition:
            typed = project.relation(f"stg_voice_ai__{table}_typed")
            left[f"input_voice_ai__{table}"] = _count(typed, condition, values, transaction)
    # Read as they are: what is typed of these was written by the last build.
    for table in ("tool_calls", "evaluations", "asr_references"):
        given = project.input_relation(f"input_voice_ai__{table}")
        names = {name.lower() for name in transaction.columns(f"select * from {given}")}
        named = [name for name in ("platform", "turn_id", "session_id") if name in names]
        texts = ", ".join(f"cast({name} as text) as {name}" for name in named)
        evaluated = {EVALUATED} if table == "asr_references" else set()
        condition, values = _condition({*named} | evaluated, None, None, transaction.mark)
        texts_of = f"(select {texts} from {given})"
        left[f"input_voice_ai__{table}"] = _count(texts_of, condition, values, transaction)
    if any(left.values()):
        found = ", ".join(f"{count:,} of {table}" for table, count in left.items() if count)
        raise UserError(
            f"{what}: the source still has its rows ({found}), which the next build would bring"
            " back; delete them there first"
        )


def _condition(
    columns: set[str], user: str | None, user_key: str | None, mark: str
) -> tuple[str, list[str]]:
    """Return which rows of a table go, as SQL over ``given``, and its values."""
    ties, values = [], []
    if {"platform", "session_id"} <= columns:
        ties.append((SESSIONS, BY_ID))
    elif "session_key" in columns:
        ties.append((SESSIONS, BY_KEY))
    if {"platform", "turn_id", EVALUATED} <= columns:
        unnamed = " and given.session_id is null" if "session_id" in columns else ""
        ties.append((TURNS, BY_TURN + unnamed))
    conditions = [f"exists (select 1 from {gone} as gone where {tie})" for gone, tie in ties]
    for column, value in (("user_key", user_key), ("user_id", user)):
        if column in columns and value is not None:
            conditions.append(f"given.{column} = {mark}")
            values.append(value)
    return " or ".join(conditions), values


def _count(relation: str, condition: str, values: list[str], transaction: Transaction) -> int:
    statement = f"select count(*) from {relation} as given where {condition}"
    return transaction.run(statement, *values)[0][0]


def _delete(table: str, condition: str, values: list[str], transaction: Transaction) -> int:
    rows = _count(table, condition, values, transaction)
    if rows:
        transaction.run(f"delete from {table} as given where {condition}", *values)
    return rows

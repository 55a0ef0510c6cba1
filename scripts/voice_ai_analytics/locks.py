"""How long a command waits for locks on PostgreSQL, and who held them if that was too long."""

from __future__ import annotations

# Every command that writes waits for the others, so this is longer than one of them takes.
LONGEST_WAIT = "5min"

# Sessions that hold locks on tables, or the locks of writers; those open the longest come first.
HOLDERS = """
    select
        activity.pid,
        activity.usename,
        coalesce(nullif(activity.application_name, ''), 'unknown'),
        to_char(activity.xact_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'),
        string_agg(
            distinct coalesce(pg_namespace.nspname || '.' || pg_class.relname, 'a lock of writers'),
            ', '
        )
    from pg_locks
    inner join pg_stat_activity as activity on pg_locks.pid = activity.pid
    left join pg_class
        on pg_locks.relation = pg_class.oid and pg_class.relkind in ('r', 'p', 'm', 'v')
    left join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        pg_locks.granted
        and pg_locks.pid <> pg_backend_pid()
        and pg_locks.database = (select oid from pg_database where datname = current_database())
        and (
            pg_locks.locktype = 'advisory'
            or pg_namespace.nspname not in ('pg_catalog', 'information_schema')
        )
    group by activity.pid, activity.usename, activity.application_name, activity.xact_start
    order by activity.xact_start nulls first
    limit 3
"""


def limit_waiting(connection) -> None:
    """Let a connection wait for locks no longer than it says itself, or five minutes.

    Parameters
    ----------
    connection
        Of psycopg2, without a transaction. ``PGOPTIONS`` or the user's settings may say otherwise.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config('lock_timeout', %s, false)"
            " where current_setting('lock_timeout') = '0'",
            [LONGEST_WAIT],
        )
    connection.commit()


def waited_in_vain(connection) -> str:
    """Return a sentence about who may hold what a connection has waited for.

    Parameters
    ----------
    connection
        Of psycopg2, rolled back after a lock timed out.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS)
        found = cursor.fetchall()
    connection.rollback()
    if not found:
        return "another session held a lock for too long; run this again"
    told = "; ".join(
        f"user {user} (application {application}) holds {what}"
        f"{f' since {since} UTC' if since else ''}, end it with select pg_terminate_backend({pid})"
        for pid, user, application, since, what in found
    )
    return f"waited too long for a lock: {told}; or run this again when it is done"

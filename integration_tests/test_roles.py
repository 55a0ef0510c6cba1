"""What create-roles lets readers read, what it mends, and that no reader can stop the pipeline."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import psycopg2.extras
import pytest
from consumer import Consumer

CERTIFIED = "main_voice_ai"
METRICS_READER, CERTIFIED_READER = "voice_ai_metrics_reader", "voice_ai_certified_reader"
FACT = f"{CERTIFIED}.fact_voice_ai_sessions"


@pytest.fixture(scope="module")
def project(consumer) -> Consumer:
    """Build the package beside a model of the host in the certified schema, and create roles."""
    made = consumer("metrics", "postgres")
    (made.directory / "models").mkdir()
    (made.directory / "models" / "raw_copy.sql").write_text(
        "{{ config(schema='voice_ai', materialized='table') }} select * from main_raw.users"
    )
    made.dbt("seed")
    made.dbt("build", "--exclude-resource-type", "unit_test", "seed")
    made.command("voice-ai", "export-metrics")
    made.command("voice-ai", "create-roles")
    return made


def told_by(project: Consumer, *arguments: str) -> str:
    """Run a command that must fail; return its message, one line without a traceback."""
    result = project.command("voice-ai", *arguments, check=False)
    assert result.returncode == 2, result.stdout + result.stderr
    (line,) = result.stderr.strip().splitlines()
    return line.removeprefix("voice-ai: ")


def connect_as(project: Consumer, role: str):
    """Log in as a role, outside of transactions."""
    connection = psycopg2.connect(
        host=project.environment["VOICE_AI_POSTGRES_HOST"],
        port=project.environment["VOICE_AI_POSTGRES_PORT"],
        dbname=project.environment["VOICE_AI_POSTGRES_DATABASE"],
        user=role,
        application_name="a dashboard",
    )
    connection.autocommit = True
    return connection


def run_as(project: Consumer, role: str, *statements: str) -> list[tuple]:
    """Run statements as a role; return the rows of the last one."""
    with closing(connect_as(project, role)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def is_readable(project: Consumer, role: str, relation: str) -> bool:
    try:
        run_as(project, role, f"select * from {relation} limit 1")
    except psycopg2.errors.InsufficientPrivilege:
        return False
    return True


def test_a_host_s_model_in_the_certified_schema_is_not_readable(project) -> None:
    # As earlier versions granted everything that is created there.
    project.rows(
        f"alter default privileges in schema {CERTIFIED} grant select on tables to"
        f" {CERTIFIED_READER}"
    )
    project.rows(f"grant select on {CERTIFIED}.raw_copy to {CERTIFIED_READER}")
    told = project.command("voice-ai", "create-roles").stdout
    assert "raw_copy" not in told
    for rebuild in ([], ["--full-refresh"]):
        project.dbt("run", *rebuild)
        assert is_readable(project, CERTIFIED_READER, FACT)
        assert is_readable(project, CERTIFIED_READER, f"{CERTIFIED}.voice_ai_session_outcomes")
        for role in (METRICS_READER, CERTIFIED_READER):
            assert not is_readable(project, role, f"{CERTIFIED}.raw_copy")
        assert not is_readable(project, METRICS_READER, FACT)
    project.dbt("build", "--exclude-resource-type", "unit_test", "seed")


def test_results_of_analyses_stay_readable_when_they_are_written_again(project) -> None:
    gaps = f"{CERTIFIED}.voice_ai_cohort_gaps"
    # So few sessions allow no comparison, which has an exit code of its own.
    project.command("voice-ai", "segment", check=False)
    assert is_readable(project, CERTIFIED_READER, gaps)
    assert not is_readable(project, METRICS_READER, gaps)
    assert "voice_ai_cohort_gaps" in project.command("voice-ai", "create-roles").stdout
    project.command("voice-ai", "segment", check=False)
    assert is_readable(project, CERTIFIED_READER, gaps)


def test_default_privileges_of_others_are_found(project) -> None:
    project.rows("create role a_colleague")
    grant = f"alter default privileges for role a_colleague in schema {CERTIFIED} {{}} public"
    project.rows(grant.format("grant select on tables to"))
    line = told_by(project, "create-roles")
    assert f"could also read every table that a_colleague creates in schema {CERTIFIED}" in line
    project.rows(grant.format("revoke select on tables from"))
    project.command("voice-ai", "create-roles")
    project.rows("drop owned by a_colleague")
    project.rows("drop role a_colleague")


def test_what_a_reader_changes_or_leaves_behind_is_mended(project) -> None:
    database = project.environment["VOICE_AI_POSTGRES_DATABASE"]
    run_as(
        project,
        CERTIFIED_READER,
        "set default_transaction_read_only = off",
        "select lo_create(0)",
        f"alter role {CERTIFIED_READER} set statement_timeout = 0",
        f"alter role {CERTIFIED_READER} in database {database}"
        " set idle_in_transaction_session_timeout = 0",
    )
    with closing(connect_as(project, CERTIFIED_READER)) as connection:
        connection.cursor().execute("set default_transaction_read_only = off")
        connection.cursor().execute("create temporary table mine (one int)")
        project.command("voice-ai", "create-roles")
    ((large_objects,),) = project.rows("select count(*) from pg_largeobject_metadata")
    assert large_objects == 0
    for setting, expected in {
        "statement_timeout": "5min",
        "idle_in_transaction_session_timeout": "1min",
        "lock_timeout": "30s",
        "transaction_timeout": "10min",
        "default_transaction_read_only": "on",
    }.items():
        assert run_as(project, CERTIFIED_READER, f"show {setting}") == [(expected,)]
    assert project.rows(
        f"select rolconnlimit from pg_roles where rolname = '{CERTIFIED_READER}'"
    ) == [(30,)]


def test_a_table_of_a_reader_is_named(project) -> None:
    project.rows(f"create schema theirs authorization {METRICS_READER}")
    assert f"role {METRICS_READER}: it owns schema theirs" in told_by(project, "create-roles")
    project.rows("drop schema theirs")


def test_an_open_transaction_of_a_reader_stops_a_build_for_a_while_and_is_named(project) -> None:
    project.environment["PGOPTIONS"] = "-c lock_timeout=1s"
    changes = "fact_voice_ai_outcome_changes"
    with closing(connect_as(project, CERTIFIED_READER)) as reader, reader.cursor() as cursor:
        cursor.execute("set idle_in_transaction_session_timeout = 0")
        cursor.execute("begin")
        cursor.execute(f"select count(*) from {CERTIFIED}.{changes}")
        built = project.dbt("run", "--select", changes, check=False)
    del project.environment["PGOPTIONS"]
    assert built.returncode == 1
    said = " ".join(built.stdout.split())
    assert f"user {CERTIFIED_READER} (application a dashboard) holds" in said
    assert "end it with select pg_terminate_backend(" in said
    project.dbt("run", "--select", changes)


def test_a_lock_of_a_reader_stops_a_command_for_a_while_and_is_named(project) -> None:
    database = project.environment["VOICE_AI_POSTGRES_DATABASE"]
    table = f'"{database}"."{CERTIFIED}"."voice_ai_cohort_gaps"'
    project.environment["PGOPTIONS"] = "-c lock_timeout=1s"
    with closing(connect_as(project, METRICS_READER)) as reader, reader.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [table])
        line = told_by(project, "segment")
    del project.environment["PGOPTIONS"]
    assert f"user {METRICS_READER} (application a dashboard)" in line
    assert "pg_terminate_backend(" in line


def test_what_a_reader_asks_does_not_pass_for_a_build(project) -> None:
    asked = """select pg_sleep(100) /* {"app": "dbt"} main_voice_ai_staging */"""
    with closing(connect_as(project, CERTIFIED_READER)) as reader:
        # A query whose answer nobody fetches stays active on the server.
        reader.cursor().execute("select 1")
        sleeper = psycopg2.connect(reader.dsn, async_=True)
        psycopg2.extras.wait_select(sleeper)
        sleeper.cursor().execute(asked)
        built = project.dbt("run", "--select", "fact_voice_ai_outcome_changes", check=False)
        sleeper.close()
    assert built.returncode == 0, built.stdout


def test_failing_rows_are_stored_only_where_the_host_says_so(project) -> None:
    def stored() -> set[str]:
        return {
            name
            for (name,) in project.rows(
                "select table_name from information_schema.tables"
                " where table_schema like '%dbt_test__audit'"
            )
        }

    project.dbt("test", "--store-failures", "--exclude-resource-type", "unit_test")
    assert stored() == set()
    settings = project.directory / "dbt_project.yml"
    text = settings.read_text()
    settings.write_text(text + "data_tests: {voice_ai_analytics: {+store_failures: true}}\n")
    project.dbt("test", "--select", "fact_voice_ai_sessions", "stg_voice_ai__users_typed")
    settings.write_text(text)
    assert stored()

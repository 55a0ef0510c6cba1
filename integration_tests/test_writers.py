"""Runs every writing command twice at once on PostgreSQL: both succeed, and nothing doubles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from consumer import Consumer

from voice_ai_analytics.warehouse import lock_writers

CERTIFIED = "main_voice_ai"
# Each command with the table whose lock it takes first.
WRITERS = {
    "evaluate-asr --input references.csv": "main_raw.asr_word_errors",
    "export-metrics --saved-query voice_ai_overview": f"{CERTIFIED}.voice_ai_metric_exports",
    "create-roles": f"{CERTIFIED}.voice_ai_metric_exports",
    "segment": f"{CERTIFIED}.voice_ai_cohort_gaps",
    "forget --user nobody": "main_raw.asr_word_errors",
}
WAITING = """
    select count(*) from pg_locks
    where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())
"""


@pytest.fixture(scope="module")
def project(consumer) -> Consumer:
    """Build once, with references for evaluate-asr."""
    made = consumer("metrics", "postgres")
    made.dbt("seed")
    made.rows("drop table main_raw.asr_word_errors")
    made.dbt("build", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "seed")
    (made.directory / "references.csv").write_text(
        "turn_id,platform,reference_text,hypothesis_text\n"
        "t01,alpha,one two three four,one too three\n"
        "t20,beta,uno dos,uno dos\n"
    )
    return made


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until another process has done something."""
    pause = threading.Event()
    for _ in range(1200):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it didn't happen within a minute")


def state(project: Consumer) -> dict[str, int]:
    """Return the row counts of all tables that writers make; their content has run times."""
    made = [
        f"{CERTIFIED}.{name}"
        for (name,) in project.rows(
            f"select table_name from information_schema.tables where table_schema = '{CERTIFIED}'"
            " and table_name like 'voice_ai_%' and table_name <> 'voice_ai_metric_exports'"
        )
    ]
    tables = ["main_raw.asr_word_errors", *made]
    return {
        table: project.rows(f"select count(*) from {table}")[0][0]
        for table in tables
        if project.rows(f"select to_regclass('{table}')")[0][0]
    }


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_that_runs_twice_at_once_leaves_what_it_leaves_once(project, writer) -> None:
    once = project.command("voice-ai", *writer.split(), check=False)
    assert once.returncode in (0, 3), once.stderr
    after_once = state(project)
    database = project.environment["VOICE_AI_POSTGRES_DATABASE"]
    relation = ".".join(f'"{part}"' for part in (database, *WRITERS[writer].split(".")))
    with (
        ThreadPoolExecutor(2) as pool,
        closing(project.postgres()) as holder,
        holder.cursor() as cursor,
    ):
        # Both reach the lock before either can go on.
        lock_writers(cursor, relation)
        runs = [
            pool.submit(project.command, "voice-ai", *writer.split(), check=False) for _ in range(2)
        ]
        try:
            wait_for(lambda: project.rows(WAITING) == [(2,)])
        finally:
            holder.rollback()
        results = [run.result() for run in runs]
    assert [one.returncode for one in results] == [once.returncode] * 2, results
    assert state(project) == after_once


def test_nothing_is_forgotten_beside_a_build(project) -> None:
    with closing(project.postgres()) as build, build.cursor() as cursor:
        # The lock that each model of a build holds while it is built.
        cursor.execute("lock table main_voice_ai_staging.voice_ai_build_lock in share mode")
        refused = project.command("voice-ai", "forget", "--user", "nobody", check=False)
        build.rollback()
    assert refused.returncode == 2
    assert "a build of voice_ai_analytics is running" in refused.stderr

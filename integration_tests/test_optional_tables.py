"""Tool calls and evaluations after several builds are those of one build from scratch."""

from __future__ import annotations

import pytest
from consumer import ENGINES, Consumer

ROWS_ONLY = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "seed")
CERTIFIED, STAGING = "main_voice_ai", "main_voice_ai_staging"
TABLES = [
    *((CERTIFIED, f"fact_voice_ai_{table}") for table in ("tool_calls", "evaluations")),
    *((STAGING, f"quarantine_voice_ai__{table}") for table in ("tool_calls", "evaluations")),
    (STAGING, "quarantine_voice_ai__values"),
    (CERTIFIED, "voice_ai_row_accounting"),
]


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Build the metrics seed, then once more on rows that came, changed and left."""
    made = consumer("metrics", request.param)
    made.dbt("seed")
    for table in ("sessions", "turns"):
        made.rows(f"alter table main_raw.{table} add column loaded_at timestamp")
        made.rows(f"update main_raw.{table} set loaded_at = '2024-02-01 00:00:00'")
    made.dbt("build", *ROWS_ONLY)
    made.rows(
        "insert into main_raw.tool_calls (tool_call_id, session_id, platform, tool_name,"
        " is_successful, updated_at) values"
        # Late, for a session that isn't read again; an update; and a call on another platform.
        " ('c8', 's02', 'alpha', 'lookup', true, '2024-01-03'),"
        " ('c1', 's01', 'alpha', 'lookup', false, '2024-01-09'),"
        " ('c1', 's01', 'beta', 'lookup', false, '2024-01-09')"
    )
    # Its session arrives after it.
    made.rows(
        "insert into main_raw.sessions (session_id, platform, channel, started_at, loaded_at)"
        " values ('s99', 'alpha', 'voice', '2024-01-17 10:00:00', '2024-02-02 00:00:00')"
    )
    made.rows("delete from main_raw.tool_calls where session_id = 's09'")
    made.rows("delete from main_raw.evaluations where evaluation_id = 'e1' and session_id = 's02'")
    made.dbt("build", *ROWS_ONLY)
    return made


def rows(project: Consumer) -> dict[str, list[str]]:
    """Return what is in each table about tool calls and evaluations, in a fixed order."""
    return {
        name: sorted(map(str, project.rows(f"select * from {schema}.{name}")))
        for schema, name in TABLES
    }


def test_a_batch_reads_what_came_changed_and_left(project) -> None:
    ((is_full,),) = project.rows(
        f"select is_full from {CERTIFIED}.voice_ai_builds order by started_at desc limit 1"
    )
    assert not is_full
    assert project.rows(
        "select platform, sessions.session_id, tool_call_id, is_successful"
        f" from {CERTIFIED}.fact_voice_ai_tool_calls as calls"
        f" inner join (select session_key, session_id from {CERTIFIED}.fact_voice_ai_sessions)"
        " as sessions on calls.session_key = sessions.session_key order by 1, 2, 3"
    ) == [
        ("alpha", "s01", "c1", False),
        ("alpha", "s01", "c2", True),
        ("alpha", "s02", "c8", True),
        ("alpha", "s04", "c3", False),
        ("alpha", "s99", "c9", False),
    ]
    assert project.rows(
        "select session_id, tool_call_id, quarantine_reasons"
        f" from {STAGING}.quarantine_voice_ai__tool_calls order by 1, 2, 3"
    ) == [
        ("s01", "c1", "duplicate"),
        ("s01", "c1", "unknown_session"),
        ("s01", "c2", "duplicate"),
        ("s04", "c4", "missing_tool_name"),
    ]
    assert project.rows(
        f"select raw_rows, staged_rows, quarantined_rows from {CERTIFIED}.voice_ai_row_accounting"
        " where table_name in ('tool_calls', 'evaluations') order by table_name"
    ) == [(6, 5, 1), (9, 5, 4)]


def test_a_full_refresh_gives_the_same(project) -> None:
    built = rows(project)
    project.dbt("build", "--full-refresh", *ROWS_ONLY)
    assert rows(project) == built


def test_calls_of_a_rejected_session_are_quarantined_with_it(project) -> None:
    project.rows(
        "insert into main_raw.sessions (session_id, platform, channel, loaded_at)"
        " values ('s98', 'alpha', 'voice', '2024-02-03 00:00:00')"
    )
    project.rows(
        "insert into main_raw.tool_calls (tool_call_id, session_id, platform, tool_name)"
        " values ('c1', 's98', 'alpha', 'lookup')"
    )
    project.dbt("build", *ROWS_ONLY)
    assert project.rows(
        f"select quarantine_reasons from {STAGING}.quarantine_voice_ai__tool_calls"
        " where session_id = 's98'"
    ) == [("quarantined_session",)]

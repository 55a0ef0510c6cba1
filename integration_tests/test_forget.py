"""What is forgotten is in no table of the package, on both engines, and doesn't come back."""

from __future__ import annotations

import pytest
from consumer import ENGINES, Consumer

from voice_ai_analytics.forgetting import session_key

PACKAGE_SCHEMAS = ("main_voice_ai", "main_voice_ai_staging", "main_voice_ai_private")
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "seed")


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Build over a seed where user u1 has rows of every kind, certified and quarantined."""
    made = consumer("metrics", request.param)
    made.dbt("seed")
    # An outdated version, an impossible value, a rejected turn, and a user with two rows.
    made.rows(
        "insert into main_raw.sessions (session_id, platform, user_id, channel, started_at)"
        " values ('s02', 'alpha', 'u1', 'chat', '2024-01-01 19:00:00')"
    )
    made.rows(
        "insert into main_raw.turns (turn_id, session_id, platform, turn_index, speaker,"
        " asr_confidence) values ('t99', 's01', 'alpha', 9, 'user', 87),"
        " ('t98', 's01', 'alpha', 8, 'martian', null)"
    )
    made.rows("insert into main_raw.users (user_id, region) values ('u1', 'Urban')")
    made.dbt("build", *WITHOUT_UNIT_TESTS)
    # What an upgrade from an earlier version of the package leaves behind.
    made.rows(
        "create table main_voice_ai.voice_ai_session_versions as"
        " select * from main_voice_ai.fact_voice_ai_sessions"
    )
    return made


def rows_with(project: Consumer, *texts: str) -> dict[str, int]:
    """Count the rows that contain a text, in every table of the package and in word errors."""
    tables = project.rows(
        "select table_schema, table_name from information_schema.tables"
        f" where table_type = 'BASE TABLE' and table_schema in {PACKAGE_SCHEMAS}"
    )
    found = {}
    for schema, name in [*tables, ("main_raw", "asr_word_errors")]:
        held = " or ".join(f"strpos(cast(given as text), '{text}') > 0" for text in texts)
        ((rows,),) = project.rows(f'select count(*) from {schema}."{name}" as given where {held}')
        if rows:
            found[name] = rows
    return found


def forget(project: Consumer, *arguments: str) -> str:
    return project.command("voice-ai", "forget", *arguments).stdout


def total(project: Consumer) -> int:
    return sum(rows_with(project, "").values())


def test_what_the_source_still_has_is_refused_and_nothing_changes(project) -> None:
    before = total(project)
    for arguments, counted in (
        (("--platform", "alpha", "--session", "s01"), "1 of input_voice_ai__sessions, 6 of"),
        (("--user", "u1"), "2 of input_voice_ai__users"),
    ):
        refused = project.command("voice-ai", "forget", *arguments, check=False)
        assert refused.returncode == 2
        assert counted in refused.stderr
        assert "delete them there first" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert total(project) == before


def test_a_session_is_forgotten_and_no_other(project) -> None:
    key = session_key("alpha", "s04")
    assert {"fact_voice_ai_sessions", "fact_voice_ai_turns"} <= rows_with(project, key).keys()
    others = rows_with(project, session_key("alpha", "s05"))
    asked = ("--platform", "alpha", "--session", "s04")
    for table in ("sessions", "turns", "tool_calls"):
        refused = project.command("voice-ai", "forget", *asked, check=False)
        assert "of input_voice_ai__tool_calls" in refused.stderr
        project.rows(f"delete from main_raw.{table} where session_id = 's04'")
    told = forget(project, *asked)
    assert "fact_voice_ai_sessions" in told
    assert rows_with(project, key, "s04") == {}
    assert rows_with(project, session_key("alpha", "s05")) == others
    assert forget(project, *asked).startswith("Nothing to")


def test_a_user_is_forgotten_with_all_their_sessions(project) -> None:
    ((user_key,),) = project.rows(
        "select distinct user_key from main_voice_ai.fact_voice_ai_sessions"
        " where session_id in ('s01', 's02', 's03')"
    )
    sessions = ("s01", "s02", "s03")
    keys = [session_key("alpha", session) for session in sessions]
    held = rows_with(project, "u1", *keys, user_key, *sessions, "t01", "t03", "t98", "t99")
    assert {
        "asr_word_errors",
        "fact_voice_ai_asr_evaluations",
        "fact_voice_ai_evaluations",
        "fact_voice_ai_sessions",
        "fact_voice_ai_tool_calls",
        "fact_voice_ai_turns",
        "int_voice_ai__users",
        "quarantine_voice_ai__sessions",
        "quarantine_voice_ai__tool_calls",
        "quarantine_voice_ai__turns",
        "quarantine_voice_ai__users",
        "quarantine_voice_ai__values",
        "voice_ai_session_outcomes",
        "voice_ai_session_versions",
    } <= held.keys()
    for table in ("turns", "tool_calls", "evaluations"):
        project.rows(f"delete from main_raw.{table} where session_id in ('s01', 's02', 's03')")
    project.rows("delete from main_raw.sessions where user_id = 'u1'")
    project.rows("delete from main_raw.users where user_id = 'u1'")
    forget(project, "--user", "u1")
    assert rows_with(project, *keys, user_key, *sessions, "t01", "t03", "t98", "t99") == {}
    assert rows_with(project, "u1") == {}
    assert forget(project, "--user", "u1").startswith("Nothing to delete")


def test_the_next_build_passes_and_brings_nothing_back(project) -> None:
    project.dbt("build", *WITHOUT_UNIT_TESTS)
    assert rows_with(project, "s01", "s04", session_key("alpha", "s01")) == {}
    ((sessions,),) = project.rows("select count(*) from main_voice_ai.fact_voice_ai_sessions")
    # Twelve in the seed, minus three of u1, minus s04.
    assert sessions == 8


@pytest.mark.parametrize(
    "arguments",
    [[], ["--platform", "alpha"], ["--session", "s05"], ["--user", "u", "--session", "s"]],
)
def test_what_to_forget_must_be_named(project, arguments) -> None:
    refused = project.command("voice-ai", "forget", *arguments, check=False)
    assert refused.returncode == 2
    assert "name a session with --platform and --session, or a user with --user" in refused.stderr

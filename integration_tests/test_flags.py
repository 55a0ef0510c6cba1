"""dbt's selection in an empty schema, and its retry, certify as ever."""

from __future__ import annotations

import os

import pytest
from consumer import ENGINES, PROFILES, Consumer

CERTIFIED = ("fact_voice_ai_sessions", "voice_ai_session_outcomes", "voice_ai_builds")
BUILD = ("build", "--exclude-resource-type", "unit_test")
NUMBERS = "from generate_series(1, 30) as numbers(n)"
RAW = f"""
create schema voice_ai_raw;
create table voice_ai_raw.sessions as select
    's' || n as session_id, 'p' as platform, 'u' || n % 7 as user_id, 'completed' as outcome_raw,
    timestamp '2026-01-01 10:00:00' as started_at, timestamp '2026-01-02 10:00:00' as loaded_at
{NUMBERS};
create table voice_ai_raw.turns as select
    '0' as turn_id, 's' || n as session_id, 'p' as platform, 0 as turn_index, 'user' as speaker,
    timestamp '2026-01-02 10:00:00' as loaded_at
{NUMBERS};
"""


def certified(project: Consumer, target: str) -> dict[str, list]:
    """Return what is certified on a target."""
    return {
        table: sorted(map(str, project.rows(f"select * from {target}_voice_ai.{table}")))
        for table in CERTIFIED
    }


# A full run tries both engines.
@pytest.fixture(
    scope="module", params=ENGINES if os.environ.get("VOICE_AI_FAULTS") == "full" else ENGINES[1:]
)
def prod(request, consumer) -> Consumer:
    """Return a project that is built on production."""
    made = consumer(None, request.param)
    (made.directory / "dbt_project.yml").write_text("name: host\nprofile: consumer\n")
    # The same connection with a schema for each target.
    profiles = PROFILES.replace("schema: main", "schema: \"{{ env_var('SCHEMA', 'prod') }}\"")
    (made.directory / "profiles.yml").write_text(profiles)
    for statement in filter(str.strip, RAW.split(";")):
        made.rows(statement)
    made.dbt(*BUILD)
    return made


@pytest.fixture
def on(prod):
    """Return a function that runs dbt on another schema, and then checks production."""

    def run(schema: str, *arguments: str):
        before = certified(prod, "prod")
        prod.environment["SCHEMA"] = schema
        try:
            done = prod.dbt(*arguments, check=False)
        finally:
            del prod.environment["SCHEMA"]
        assert certified(prod, "prod") == before
        return done

    return run


def test_the_fact_and_its_parents_build_in_an_empty_schema(on, prod) -> None:
    done = on("fresh", *BUILD, "--select", "+fact_voice_ai_sessions")
    assert done.returncode == 0, done.stdout
    assert len(certified_rows(prod, "fresh")) == 30


def certified_rows(project: Consumer, target: str) -> list:
    """Return the ids of certified sessions."""
    return project.rows(f"select session_id from {target}_voice_ai.fact_voice_ai_sessions")


def test_retry_finishes_what_failed(prod) -> None:
    prod.rows(
        "insert into voice_ai_raw.sessions select 'new', 'p', 'u1', 'completed',"
        " timestamp '2026-01-05 10:00:00', timestamp '2026-01-06 10:00:00'"
    )
    prod.rows(
        "insert into voice_ai_raw.turns select 'x' || n, 'new', 'p', 1, 'martian',"
        f" timestamp '2026-01-06 10:00:00' {NUMBERS}"
    )
    assert prod.dbt(*BUILD, check=False).returncode == 1
    prod.rows("update voice_ai_raw.turns set speaker = 'user' where speaker = 'martian'")
    prod.dbt("retry", check=False)
    prod.dbt(*BUILD)
    assert ("new",) in certified_rows(prod, "prod")

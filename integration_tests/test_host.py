"""Settings of the host project either leave the package's promises alone or are refused by name."""

from __future__ import annotations

import os
import re

import pytest
from consumer import ENGINES, REPOSITORY, Consumer

PROJECT = "name: host\nprofile: consumer\n"
ONE_SCHEMA = """
{% macro generate_schema_name(custom_schema_name, node) -%} {{ target.schema }} {%- endmacro %}
"""
# Settings in dbt_project.yml, and what the refusal names.
REFUSED = {
    "models: {+materialized: table}": "+materialized: table in your project reaches",
    "models: {voice_ai_analytics: {marts: {+materialized: view}}}": "fact_voice_ai_",
    "models: {+full_refresh: true}": "reaches stg_voice_ai__salt of voice_ai_analytics",
    "models: {+incremental_strategy: merge}": "+incremental_strategy: merge in your project",
    "models: {+on_schema_change: fail}": "+on_schema_change: fail in your project reaches",
    "models: {+schema: main}": "puts the salt of all pseudonyms (stg_voice_ai__salt)",
    "snapshots: {+dbt_valid_to_current: \"cast('9999-12-31' as date)\"}": "+dbt_valid_to_current",
    "data_tests: {+severity: warn}": "which then lets bad rows pass",
    "data_tests: {voice_ai_analytics: {intermediate: {+severity: warn}}}": "reaches dbt_utils",
    "data_tests: {+limit: 1}": "which then lets bad rows pass",
}
FREE = """
models:
  +persist_docs: {relation: true, columns: true}
  +tags: [nightly]
  +meta: {owner: data}
  +pre-hook: select 1
  +post-hook: select 1
  host: {+materialized: table}
  voice_ai_analytics: {staging: {+docs: {show: false}}, history: {+materialized: view}}
seeds: {+quote_columns: true}
data_tests: {+store_failures: true}
"""


@pytest.fixture(scope="module")
def host(consumer) -> Consumer:
    """Return a project with a session and a turn, never built."""
    made = consumer(None, "duckdb")
    (made.directory / "macros").mkdir()
    made.rows("create schema voice_ai_raw")
    made.rows(
        "create table voice_ai_raw.sessions as select 's' as session_id, 'p' as platform,"
        " timestamp '2026-01-01 10:00:00' as started_at"
    )
    made.rows(
        "create table voice_ai_raw.turns as select '0' as turn_id, 's' as session_id,"
        " 'p' as platform, 0 as turn_index, 'user' as speaker"
    )
    return made


# Each setting makes dbt parse anew. An ordinary run tries one of each kind.
TRIED = REFUSED if os.environ.get("VOICE_AI_FAULTS") == "full" else [*REFUSED][::2]


@pytest.mark.parametrize("setting", TRIED)
def test_a_setting_that_undoes_a_promise_is_refused(host, setting) -> None:
    (host.directory / "dbt_project.yml").write_text(f"{PROJECT}{setting}\n")
    done = host.dbt("build", check=False)
    assert done.returncode != 0
    assert REFUSED[setting] in " ".join(done.stdout.split())
    assert host.rows("select count(*) from duckdb_tables() where schema_name like 'main%'") == [
        (0,)
    ]


def test_one_schema_for_all_is_refused(host) -> None:
    (host.directory / "dbt_project.yml").write_text(PROJECT)
    macros = host.directory / "macros"
    (macros / "generate_schema_name.sql").write_text(ONE_SCHEMA)
    try:
        done = host.dbt("build", check=False)
    finally:
        (macros / "generate_schema_name.sql").unlink()
    assert done.returncode != 0
    assert "puts the salt of all pseudonyms" in " ".join(done.stdout.split())


def test_other_settings_are_free(host) -> None:
    # And so is one schema for the host's own models, as the documentation writes it.
    text = (REPOSITORY / "docs" / "host-projects.md").read_text(encoding="utf-8")
    [macro] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    (host.directory / "dbt_project.yml").write_text(f"{PROJECT}{FREE}")
    (host.directory / "macros" / "generate_schema_name.sql").write_text(macro)
    host.dbt("build")
    assert host.rows("select count(*) from main_voice_ai.fact_voice_ai_sessions") == [(1,)]


# dbt's alias for an empty ref is PostgreSQL's alone. A full run tries both engines.
@pytest.mark.parametrize("engine", ENGINES if TRIED is REFUSED else ENGINES[1:])
def test_an_empty_build_runs_every_query_and_changes_no_certified_row(consumer, engine) -> None:
    made = consumer("metrics", engine)
    made.dbt("seed")
    build = ("build", "--exclude-resource-type", "unit_test", "seed")
    made.dbt(*build)
    count = "select count(*), max(first_loaded_at) from main_voice_ai.fact_voice_ai_sessions"
    before = made.rows(count)
    made.dbt(*build, "--empty")
    assert made.rows(count) == before

"""Commands work on the target they are told, or refuse and name both, and leave the other alone."""

from __future__ import annotations

import shutil

import pytest
import typer
from consumer import Consumer

from voice_ai_analytics.cli import app

# Two targets of one profile that differ in nothing but their schema or database, and one that only
# has another name.
PROFILES = """
consumer:
  target: dev
  outputs:
    dev: &dev {{type: {engine}, schema: dev, threads: 2, {place}}}
    prod: {{<<: *dev, {differs}}}
    reader: {{<<: *dev, threads: 1}}
    copy: {{<<: *dev, schema: copy}}
"""
PLACES = {
    "duckdb": "path: warehouse.duckdb",
    "postgres": "host: \"{{ env_var('VOICE_AI_POSTGRES_HOST') }}\", port: 5432, password: '',"
    " user: \"{{ env_var('VOICE_AI_POSTGRES_USER') }}\","
    " dbname: \"{{ env_var('VOICE_AI_POSTGRES_DATABASE') }}\"",
}
DIFFERENCES = [
    ("duckdb", "schema: prod"),
    ("duckdb", "path: other.duckdb"),
    ("postgres", "schema: prod"),
]
SESSIONS = "select 's' || n as session_id, 'p' as platform, now()::timestamp as started_at"
TURNS = """
select '0' as turn_id, 's' || n as session_id, 'p' as platform, 0 as turn_index, 'user' as speaker
"""
# What a command needs besides a target; commands without one don't read a project.
ARGUMENTS = {
    "query": ["--metrics", "voice_ai_sessions"],
    "compare-asr": ["--before", "a", "--after", "b"],
    "export-semantics": ["--output", "semantics.yml"],
    "reconcile": ["p", "--expected", "expected.csv"],
    "forget": ["--session", "s1", "--platform", "p"],
}


def commands_that_read_the_manifest() -> set[str]:
    """Return the commands with a target, without those that run dbt or need only a connection."""
    commands = typer.main.get_command(app).commands
    return {
        name
        for name, command in commands.items()
        if "--target" in {option for one in command.params for option in one.opts}
    } - {"demo", "init", "load"}


@pytest.fixture(scope="module", params=DIFFERENCES, ids=" ".join)
def two_targets(request, consumer) -> Consumer:
    """Build three sessions on dev and five on prod."""
    engine, differs = request.param
    made = consumer(None, engine)
    made.database = "warehouse.duckdb"
    made.environment["VOICE_AI_API_KEYS"] = "key=0123456789abcdef0123456789abcdef"
    # The project's own models take the place of the package's inputs.
    (made.directory / "dbt_project.yml").write_text(
        "name: host\nprofile: consumer\nmodels: {voice_ai_analytics: {input: {+enabled: false}}}\n"
    )
    profiles = PROFILES.format(engine=engine, place=PLACES[engine], differs=differs)
    (made.directory / "profiles.yml").write_text(profiles)
    (made.directory / "expected.csv").write_text("day,sessions\n2026-01-05,3\n")
    (made.directory / "models").mkdir()
    many = "cross join generate_series(1, {{ 3 if target.name == 'dev' else 5 }}) as numbers(n)"
    for table, query in {
        "sessions": f"{SESSIONS} from (select 1) as one {many}",
        "turns": f"{TURNS} from (select 1) as one {many}",
        "users": "select cast(null as text) as user_id where false",
        "asr_references": "select cast(null as text) as turn_id, cast(null as text) as platform,"
        " cast(null as text) as reference_text where false",
    }.items():
        (made.directory / "models" / f"input_voice_ai__{table}.sql").write_text(query)
    for target in ("dev", "prod"):
        made.dbt("build", "--target", target)
    return made


def test_a_query_answers_for_its_target_or_refuses(two_targets) -> None:
    # dbt ran on prod last.
    def ask(target: str):
        command = ("voice-ai", "query", "--metrics", "voice_ai_sessions", "--target", target)
        return two_targets.command(*command, check=False)

    assert "5" in ask("prod").stdout
    for refused, parsed in (("dev", "prod"), ("prod", "dev")):
        two_targets.dbt("parse", "--target", parsed)
        answer = ask(refused)
        assert answer.returncode == 2
        assert f"dbt parsed target {parsed} last" in answer.stderr
        assert f"run dbt parse with --target {refused} first" in answer.stderr
    assert "3" in ask("dev").stdout
    # Another name for the same database and schema, such as a user with fewer rights.
    assert "3" in ask("reader").stdout


def test_every_command_refuses_another_target(two_targets) -> None:
    # DuckDB has no roles, and the other commands are the same on PostgreSQL.
    on_postgres = {"create-roles"}
    commands = (
        commands_that_read_the_manifest() - on_postgres
        if two_targets.engine == "duckdb"
        else on_postgres
    )
    two_targets.dbt("parse", "--target", "prod")
    for command in sorted(commands):
        arguments = (command, *ARGUMENTS.get(command, []), "--target", "dev")
        done = two_targets.command("voice-ai", *arguments, check=False)
        assert done.returncode == 2, command
        assert "dbt parsed target prod last" in done.stderr, command


def certified_rows(project: Consumer) -> list[tuple]:
    """Return dev's sessions, current versions in the snapshot, and builds that aren't replaced."""
    return project.rows(
        """
        select
            (select count(*) from dev_voice_ai.fact_voice_ai_sessions),
            (
                select count(*) from dev_voice_ai.voice_ai_session_outcomes
                where dbt_valid_to is null
            ),
            (select count(*) from dev_voice_ai.voice_ai_builds where replaced_at is null)
        """
    )


@pytest.mark.parametrize("two_targets", DIFFERENCES[::2], ids=" ".join, indirect=True)
def test_a_clone_and_an_empty_build_leave_certified_rows_alone(two_targets) -> None:
    two_targets.dbt("build", "--target", "dev")
    before = certified_rows(two_targets)
    assert before[0][:2] == (3, 3)
    state = two_targets.directory / "state"
    shutil.copytree(two_targets.directory / "target", state)
    for again in ([], ["--full-refresh"]):
        # Where an engine can't copy a table, the clone is a view of it: a write would go through.
        two_targets.dbt("clone", "--state", "state", "--target", "copy", *again)
        assert certified_rows(two_targets) == before
    modified = ("--select", "state:modified+", "--defer", "--state", "state")
    two_targets.dbt("build", *modified, "--target", "copy")
    two_targets.dbt("build", "--empty", "--target", "dev")
    assert certified_rows(two_targets) == before

"""Platform adapters: payloads written by hand, and what must become of them, on each engine.

One project per engine is built with every platform on. ``platforms/<platform>/payloads.jsonl`` is
read as ``voice-ai load`` would load it; ``sessions.csv``, ``turns.csv`` and the like beside it are
what its models must hold, and were written by hand.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import importlib.util
import random
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from consumer import ENGINES, REPOSITORY, Consumer

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.payloads.load import load_payloads
from voice_ai_analytics.platforms import PLATFORMS as LOADED

FIXTURES = Path(__file__).parent / "platforms"
PLATFORMS = sorted(path.name for path in FIXTURES.iterdir())
KEYS = {
    "sessions": "session_id",
    "turns": "session_id, turn_index",
    "tool_calls": "session_id, tool_call_id",
    "evaluations": "session_id, evaluation_id",
}
RAW = "(payload {json}, source_file text, position bigint, content_hash text, loaded_at timestamp)"
QUIET = {
    "voice_ai_snapshot": False,
    "voice_ai_semantic_models": False,
    "voice_ai_time_spine": False,
    "voice_ai_fact_turns": True,
}


def payloads(platform: str) -> list[str]:
    """Return the payloads of a platform's fixture."""
    path = FIXTURES / platform / "payloads.jsonl"
    return path.read_text(encoding="utf-8").splitlines()


def expected(platform: str, table: str) -> list[dict[str, str]]:
    """Return the rows that a platform's model must hold, as text."""
    path = FIXTURES / platform / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables(platform: str) -> list[str]:
    """Return the input tables that a platform has."""
    return sorted(path.stem for path in (FIXTURES / platform).glob("*.csv"))


def write_project(project: Consumer, platforms: list) -> None:
    """Write a project that has nothing but platforms."""
    settings = {"name": "platforms", "profile": "consumer"}
    settings["vars"] = {**QUIET, "voice_ai_platforms": platforms}
    path = project.directory / "dbt_project.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def load(project: Consumer, table: str, rows: list[tuple[int, str]], day: int) -> None:
    """Load payloads with their positions as ``voice-ai load`` would, on a day of January 2026."""
    kind = "json" if project.engine == "duckdb" else "jsonb"
    project.rows("create schema if not exists voice_ai_raw")
    project.rows(f"create table if not exists voice_ai_raw.{table} {RAW.format(json=kind)}")
    literals = ", ".join(
        f"({quoted(text)}, 'calls.jsonl', {position}, "
        f"'{hashlib.sha256(text.encode()).hexdigest()}', timestamp '2026-01-{day:02} 00:00:00')"
        for position, text in rows
    )
    project.rows(f"insert into voice_ai_raw.{table} values {literals}")


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def built(consumer):
    """Return a function that builds every platform once per engine."""

    @cache
    def build(engine: str) -> Consumer:
        project = consumer(None, engine)
        for platform in PLATFORMS:
            load(project, platform, list(enumerate(payloads(platform), 1)), day=5)
        write_project(project, PLATFORMS)
        project.dbt("build", "--exclude-resource-type", "unit_test")
        return project

    return build


def as_text(value: object) -> str:
    """Return a value of the database as the expected rows write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def table(project: Consumer, relation: str, columns: list[str], order: str) -> list[dict]:
    """Return some columns of a relation as text."""
    rows = project.rows(f"select {', '.join(columns)} from main_{relation} order by {order}")
    return [dict(zip(columns, map(as_text, row), strict=True)) for row in rows]


# --- every platform at once ---


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_payloads_become_the_rows_expected(built, platform, engine) -> None:
    project = built(engine)
    for name in tables(platform):
        rows = expected(platform, name)
        counts = "where payload_rank = 1 and session_id is not null" if name == "sessions" else ""
        relation = f"voice_ai_staging.{platform}__{name} {counts}"
        assert table(project, relation, list(rows[0]), KEYS[name]) == rows


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["tool_calls", "evaluations"])
def test_tool_calls_and_evaluations_are_certified(built, name, engine) -> None:
    column = {"tool_calls": "tool_call_id", "evaluations": "evaluation_id"}[name]
    assert built(engine).rows(
        f"select given.platform, session_id, {column}"
        f" from main_voice_ai.fact_voice_ai_{name} as given"
        " join main_voice_ai.fact_voice_ai_sessions using (session_key) order by 1, 2, 3"
    ) == [
        (platform, row["session_id"], row[column])
        for platform in PLATFORMS
        if name in tables(platform)
        for row in expected(platform, name)
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_fact_has_each_session_with_its_turns(built, platform, engine) -> None:
    turns = [row["session_id"] for row in expected(platform, "turns")]
    found = built(engine).rows(
        "select session_id, turn_count, outcome from main_voice_ai.fact_voice_ai_sessions"
        f" where platform = '{platform}' order by session_id"
    )
    meant = seed("*") | seed(platform)
    assert found == [
        (
            row["session_id"],
            turns.count(row["session_id"]),
            meant.get(row["outcome_raw"], "unknown"),
        )
        for row in expected(platform, "sessions")
        if row["started_at"][0].isdigit()
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_other_payload_is_in_quarantine_and_tells_where_it_came_from(
    built, platform, engine
) -> None:
    found = built(engine).rows(
        "select unreadable_values from main_voice_ai_staging.quarantine_voice_ai__sessions"
        f" where platform = '{platform}' and session_id is null order by 1"
    )
    # The last three payloads of each fixture are another platform's, a piece of one, and no object.
    count = len(payloads(platform))
    assert [row[0].partition(": not a")[0] for row in found] == [
        f"started_at=calls.jsonl, object {position}" for position in range(count - 2, count + 1)
    ]
    if platform == "transcripts":  # Its payloads are lines, not sessions.
        return
    relations = (
        "voice_ai.fact_voice_ai_sessions",
        "voice_ai_staging.quarantine_voice_ai__sessions",
    )
    accounted = [
        built(engine).rows(f"select count(*) from main_{name} where platform = '{platform}'")[0][0]
        for name in relations
    ]
    assert sum(accounted) == count


def test_transcripts_are_read_as_they_are_loaded(consumer, monkeypatch, tmp_path) -> None:
    project = consumer(None, "duckdb")
    write_project(project, ["transcripts"])
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(
        "Conversation;Speaker;Text;Time\nc1;user;yes;\nc1;bot;Sure?;\nc1;user;yes;2026-01-01T10:00Z\n"
    )
    Path("2026-01-02 b.vtt").write_text(
        "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Customer>Hi\n\n00:03.000 --> 00:04.000\nBot: Hello\n"
    )
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    dbt = DbtProject(project.directory)
    load_payloads(dbt, LOADED["transcripts"], ["a.csv", "2026-01-02 b.vtt"], None)
    project.dbt("build", "--exclude-resource-type", "unit_test")
    assert project.rows(
        "select session_id, turn_count, user_turn_count, user_speaking_seconds"
        " from main_voice_ai.fact_voice_ai_sessions order by 1"
    ) == [("2026-01-02 b", 2, 1, 1.5), ("c1", 3, 2, None)]


# --- which platforms are on ---


def test_every_folder_is_known_and_documented(manifest) -> None:
    text = (REPOSITORY / "macros" / "platforms" / "known_platforms.sql").read_text()
    known = ast.literal_eval(re.search(r"return\((.*)\) }}", text, re.DOTALL)[1])
    models_of = REPOSITORY / "models" / "platforms"
    folders = sorted(path.name for path in models_of.iterdir() if path.is_dir())
    assert sorted(known) == folders == PLATFORMS
    for name, optional in known.items():
        found = {path.stem.removeprefix(f"{name}__") for path in (models_of / name).glob("*.sql")}
        assert found & {*KEYS} == {"sessions", "turns", *optional} == {*tables(name)}
    assert all((REPOSITORY / "docs" / "platforms" / f"{name}.md").exists() for name in folders)
    models = [
        node["path"] for node in manifest["nodes"].values() if node["resource_type"] == "model"
    ]
    assert [path for path in models if path.startswith("platforms/")] == []


def test_one_platform_builds_no_model_of_another(consumer) -> None:
    project = consumer(None, "duckdb")
    write_project(project, ["vapi"])
    project.dbt("parse")
    paths = [node["original_file_path"] for node in project.manifest["nodes"].values()]
    assert {path.split("/")[2] for path in paths if path.startswith("models/platforms/")} == {
        "vapi"
    }


@pytest.mark.parametrize(
    ("platforms", "message"),
    [
        (["retel"], 'names "retel", which is no platform; the nearest: retell, '),
        (["transcript"], "the nearest: transcripts, "),
        (["retell", "retell"], "each once, not"),
        ("retell", "takes a list of names, such as [retell, {vapi: [calls_eu, calls_us]}], not"),
        ([{"retell": [1]}], "takes a list of names"),
    ],
)
def test_other_values_of_the_var_are_refused_in_a_line(consumer, platforms, message) -> None:
    project = consumer(None, "duckdb")
    write_project(project, platforms)
    result = project.dbt("parse", check=False)
    assert result.returncode
    assert "var voice_ai_platforms " in result.stdout
    assert message in result.stdout


def test_a_table_that_does_not_exist_is_named(consumer) -> None:
    project = consumer(None, "duckdb")
    write_project(project, ["retell"])
    result = project.dbt("run", "--select", "retell__sessions", check=False)
    assert "run voice-ai load retell PATH" in result.stdout


# --- outcomes ---


def documented(platform: str) -> set[str]:
    """Return what a platform's SDK says a call can end with, or skip if it isn't installed."""
    package, name = {
        "retell": ("retell-sdk", "phone_call_response"),
        "vapi": ("vapi-server-sdk", "call_ended_reason"),
    }[platform]
    found = importlib.util.find_spec(platform)
    if not found:
        pytest.skip(f"needs {package}, which isn't installed")
    text = (Path(found.origin).parent / "types" / f"{name}.py").read_text(encoding="utf-8")
    if platform == "retell":
        text = re.search(r"disconnection_reason: Optional\[\s*Literal\[(.*?)\]", text, re.DOTALL)[1]
    return set(re.findall(r'"([\w.-]+)"', text))


@pytest.mark.parametrize(("platform", "least"), [("retell", 39), ("vapi", 600)])
def test_every_documented_end_is_in_the_seed(platform, least) -> None:
    values = documented(platform)
    assert len(values) >= least
    model = REPOSITORY / "models" / "platforms" / platform / f"{platform}__sessions.sql"
    families = re.findall(r"'((?:pipeline|call\.)[\w.-]*error[\w.-]*)'", model.read_text())
    known = {*seed(platform)}
    assert {name for name in values - known if not name.startswith((*families, "?"))} == set()
    assert {*families} <= known


# --- order, loads and tables ---


@pytest.mark.parametrize("engine", ENGINES)
def test_any_order_and_split_of_payloads_gives_the_same_rows(built, consumer, engine) -> None:
    project = consumer(None, engine)
    draw = random.Random(20260301)
    for platform in PLATFORMS:
        rows = list(enumerate(payloads(platform), 1))
        draw.shuffle(rows)
        cut = draw.randrange(1, len(rows))
        load(project, platform, rows[:cut], day=6)
        load(project, platform, rows[cut:], day=5)
    write_project(project, PLATFORMS)
    project.dbt("run", "--select", "voice_ai_analytics.platforms")
    for platform in PLATFORMS:
        for name in tables(platform):
            relation = f"voice_ai_staging.{platform}__{name}"
            columns = list(expected(platform, name)[0])
            if name == "sessions":
                columns.append("payload_rank")
            order = ", ".join(f"{column} nulls last" for column in columns)
            assert table(project, relation, columns, order) == table(
                built(engine), relation, columns, order
            )


@pytest.mark.parametrize("engine", ENGINES)
def test_platforms_stand_beside_own_tables_and_in_several_tables(consumer, engine) -> None:
    project = consumer(None, engine)
    first, *others = [text for text in payloads("retell") if '"call_id"' in text]
    load(project, "acme_eu", [(1, first)], day=5)
    load(project, "acme_us", list(enumerate(others, 1)), day=5)
    project.rows(
        "create table voice_ai_raw.sessions as select 'r1' as session_id, 'bot' as platform,"
        " '2026-01-01 09:00:00' as started_at, 'plain' as colour"
    )
    write_project(project, [{"retell": ["acme_eu", "voice_ai_raw.acme_us"]}])
    project.dbt("build", "--exclude-resource-type", "unit_test")
    assert project.rows(
        "select platform, session_id from main_voice_ai.fact_voice_ai_sessions order by 1, 2"
    ) == [("bot", "r1"), *(("retell", f"r{number}") for number in range(1, 6))]
    assert project.rows(
        "select distinct account, session_id = 'r1'"
        " from main_voice_ai_staging.input_voice_ai__sessions"
        " where platform = 'retell' and session_id is not null order by 1"
    ) == [("acme_eu", True), ("acme_us", False)]


def seed(platform: str) -> dict[str, str]:
    """Return the outcomes of a platform's raw values."""
    with (REPOSITORY / "seeds" / "voice_ai_outcomes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["outcome_raw"]: row["outcome"] for row in rows if row["platform"] == platform}

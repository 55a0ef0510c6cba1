"""voice-ai init: what it writes, what it leaves, and how it matches columns."""

from __future__ import annotations

import duckdb
import pytest
import yaml

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.starting.matching import contract, likeliest_table, match_columns
from voice_ai_analytics.starting.project import set_up

CALLS = {
    "callId": "VARCHAR",
    "customer_id": "VARCHAR",
    "start_time": "TIMESTAMP",
    "duration_ms": "BIGINT",
    "disposition": "VARCHAR",
    "is_spam": "BOOLEAN",
}
MESSAGES = {
    "message_id": "VARCHAR",
    "call_id": "VARCHAR",
    "seq": "INTEGER",
    "role": "VARCHAR",
    "text": "VARCHAR",
}


@pytest.fixture(autouse=True)
def no_profiles_elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_contract_is_read_from_its_macro():
    assert contract()["sessions"]["required"] == ["session_id", "platform", "started_at"]
    assert contract()["turns"]["columns"]["asr_confidence"] == "number"


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        (
            "sessions",
            CALLS,
            {
                "session_id": ("callId", 1),
                "user_id": ("customer_id", 1),
                "started_at": ("start_time", 1),
                "duration_seconds": ("duration_ms", 0.001),
                "outcome_raw": ("disposition", 1),
            },
        ),
        (
            "turns",
            MESSAGES | {"latency_sec": "DOUBLE"},
            {
                "turn_id": ("message_id", 1),
                "session_id": ("call_id", 1),
                "turn_index": ("seq", 1),
                "speaker": ("role", 1),
                "transcript": ("text", 1),
                "response_latency_ms": ("latency_sec", 1000),
            },
        ),
        # The type decides between two columns, and against one of the right name.
        ("users", {"user_id": "VARCHAR", "disability": "DATE"}, {"user_id": ("user_id", 1)}),
        (
            "sessions",
            {"id": "VARCHAR", "created_at": "VARCHAR", "start_time": "TIMESTAMP"},
            {"session_id": ("id", 1), "started_at": ("start_time", 1)},
        ),
    ],
)
def test_columns_are_matched_by_name_and_type(table, columns, expected):
    found = match_columns(table, columns)
    assert {name: (one.column, one.factor) for name, one in found.items()} == expected


def test_a_table_is_found_by_what_it_holds():
    orders = {"order_id": "INTEGER", "customer_id": "VARCHAR", "created_at": "TIMESTAMP"}
    sources = {"raw.orders": orders, "raw.calls": CALLS, "raw.messages": MESSAGES}
    assert likeliest_table("sessions", sources) == "raw.calls"
    assert likeliest_table("turns", sources) == "raw.messages"
    assert likeliest_table("users", sources) is None


def test_an_empty_folder_becomes_a_project(tmp_path):
    made = tmp_path / "calls"
    done = set_up(made, ["retell"])
    assert sorted(done.written) == ["dbt_project.yml", "packages.yml", "profiles.yml"]
    assert done.next == "voice-ai load retell PATH…, then voice-ai deps && dbt build"
    project = yaml.safe_load((made / "dbt_project.yml").read_text())
    assert (project["name"], project["profile"]) == ("calls", "calls")
    assert project["vars"] == {"dbt_date:time_zone": "UTC", "voice_ai_platforms": ["retell"]}
    output = yaml.safe_load((made / "profiles.yml").read_text())["calls"]["outputs"]["dev"]
    assert (output["type"], output["path"]) == ("duckdb", "calls.duckdb")
    with pytest.raises(UserError, match="did you mean retell"):
        set_up(made, ["retel"])
    with pytest.raises(UserError, match=r"doesn't read its payloads yet, only those of .*retell"):
        set_up(made, ["twilio"])


def test_files_of_the_user_stay_as_they_are(tmp_path):
    files = {
        "dbt_project.yml": "name: mine\nprofile: mine\nvars: {voice_ai_platforms: [vapi]}\n",
        "packages.yml": "packages: []\n",
        "profiles.yml": "mine: {target: d, outputs: {d: {type: duckdb, path: x.duckdb}}}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = set_up(tmp_path, ["retell", "vapi"])
    assert done.written == []
    assert {name: (tmp_path / name).read_text() for name in files} == files
    told = "\n".join(done.left)
    assert "packages.yml: add under packages" in told
    assert "dbt_date:time_zone: UTC" in told
    assert "- retell" in told


def test_own_tables_become_models(tmp_path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema raw; create schema main_voice_ai_staging")
        for name, columns in {
            "raw.calls": CALLS,
            "raw.messages": MESSAGES,
            # What a build wrote is no source.
            "main_voice_ai_staging.sessions": contract()["sessions"]["columns"] | {},
        }.items():
            kinds = {"number": "double", "code": "text"}
            declared = ", ".join(
                f'"{one}" {kinds.get(kind, kind)}' for one, kind in columns.items()
            )
            connection.execute(f"create table {name} ({declared})")
    done = set_up(tmp_path)
    assert {
        "models/input_voice_ai__sessions.sql",
        "models/input_voice_ai__turns.sql",
        "models/voice_ai_sources.yml",
    } <= set(done.written)
    assert done.next == "check the lines marked TODO, then voice-ai deps && dbt build"
    sessions = (tmp_path / "models" / "input_voice_ai__sessions.sql").read_text()
    for line in (
        '    "callId" as session_id,\n',
        "' as platform,  -- TODO: the name of your platform\n",
        "    duration_ms / 1000.0 as duration_seconds,\n",
        "    -- TODO: no column looks like account, channel, direction, language",
        "from {{ source('voice_ai_input_raw', 'calls') }}\n",
    ):
        assert line in sessions
    # Each column of the contract is there, or named as not found.
    assert [name for name in contract()["sessions"]["columns"] if name not in sessions] == []
    project = yaml.safe_load((tmp_path / "dbt_project.yml").read_text())
    assert project["models"]["voice_ai_analytics"]["input"] == {
        "input_voice_ai__sessions": {"+enabled": False},
        "input_voice_ai__turns": {"+enabled": False},
    }
    (tmp_path / "models" / "input_voice_ai__sessions.sql").write_text("select 1")
    again = set_up(tmp_path)
    assert again.written == []
    assert (tmp_path / "models" / "input_voice_ai__sessions.sql").read_text() == "select 1"
    assert again.next == "voice-ai deps && dbt build"


def test_platforms_that_were_loaded_are_found(tmp_path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(
            "create schema voice_ai_raw; create table voice_ai_raw.retell"
            " (payload json, source_file text, position bigint, content_hash text,"
            " loaded_at timestamp)"
        )
    done = set_up(tmp_path)
    assert yaml.safe_load((tmp_path / "dbt_project.yml").read_text())["vars"][
        "voice_ai_platforms"
    ] == ["retell"]
    assert done.next == "voice-ai deps && dbt build"

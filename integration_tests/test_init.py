"""A stranger's tables become certified by init and a build, and agree with the vendor's figures."""

from __future__ import annotations

import json

import pytest
import yaml
from consumer import ENGINES

SESSIONS = """
create table raw.calls as
select
    'c' || n as call_id,
    'u' || n % 7 as customer_id,
    timestamp '2026-01-05 10:00' + n * interval '1 hour' as start_time,
    90000 as duration_ms,
    'completed' as disposition
from generate_series(1, 20) as numbers(n)
"""
TURNS = """
create table raw.messages as
select
    'm' || n as message_id,
    'c' || cast(floor(1 + n / 2.0) as integer) as call_id,
    n % 2 as seq,
    case when n % 2 = 0 then 'bot' else 'user' end as role,
    'hello' as text
from generate_series(0, 39) as numbers(n)
"""


# The calls of the first day are those from 11:00 to 23:00.
EXPECTED = """day,calls,minutes,agents
2026-01-05,14,21,3
2026-01-06,7,10.5,3
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_own_tables_build_as_init_says(consumer, engine):
    project = consumer(None, engine)
    settings = {"name": "host", "profile": "consumer"}
    (project.directory / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    for statement in ("create schema raw", SESSIONS, TURNS):
        project.rows(statement)
    project.rows(
        "insert into raw.calls select null, 'u1', timestamp '2026-01-05 12:00', 90000, 'completed'"
    )
    told = project.command("voice-ai", "init").stdout
    assert "wrote models/input_voice_ai__sessions.sql" in told
    assert "wrote models/input_voice_ai__turns.sql" in told
    assert "Next: check the lines marked TODO, then voice-ai deps && dbt build" in told
    added = told.split("add to it:\n")[1].split("Next:")[0]
    settings |= yaml.safe_load(added)
    (project.directory / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    project.dbt("build")
    assert project.rows(
        "select platform, outcome, duration_seconds, turn_count, count(*), count(distinct user_key)"
        " from main_voice_ai.fact_voice_ai_sessions group by 1, 2, 3, 4"
    ) == [("host", "completed", 90, 2, 20, 7)]
    (project.directory / "console.csv").write_text(EXPECTED)
    compared = project.command(
        "voice-ai", "reconcile", "host", "--expected", "console.csv", "--json", "result.json"
    )
    assert "the vendor counts 21 sessions and we 20 (-1)" in " ".join(compared.stdout.split())
    result = json.loads((project.directory / "result.json").read_text())
    assert [(day["day"], day["difference"], day["causes"]) for day in result["days"]] == [
        ("2026-01-05", {"sessions": -1, "minutes": -1.5}, {"quarantined": 1}),
        ("2026-01-06", {"sessions": 0, "minutes": 0}, {}),
    ]
    assert result["quarantine_reasons"] == {"missing_session_id": 1}
    assert result["notes"] == ["columns that aren't compared: agents"]
    refused = project.command(
        "voice-ai", "reconcile", "hast", "--expected", "console.csv", check=False
    )
    assert refused.returncode == 2
    assert refused.stderr == "voice-ai: hast: no session of this platform; there are host\n"

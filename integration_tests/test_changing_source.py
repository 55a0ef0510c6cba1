"""Turn ids that repeat in each session, and sources that delete, exchange and delay rows.

A hundred sessions have six turns each, numbered 0 to 5. Then the source changes in one way at a
time, and an ordinary build follows each change. The end result must equal a full refresh.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from consumer import ENGINES
from faults import FAULTS_PROFILES, Project, differences

PROJECT = """\
name: changing
profile: consumer
vars: {voice_ai_snapshot: false, voice_ai_semantic_models: false, voice_ai_time_spine: false}
"""
COLUMNS = {
    "sessions": "session_id, platform, user_id, started_at, outcome_raw, updated_at, loaded_at",
    "turns": "turn_id, session_id, platform, turn_index, speaker, updated_at, loaded_at",
    "users": "user_id, region, has_disability, updated_at, loaded_at",
}
SESSIONS, TURNS, USERS = 100, 6, 10
NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
RECENT, OLD, OLDER = (NOW - timedelta(days=days) for days in (1, 40, 80))


def session(number, loaded_at=OLD, outcome="completed"):
    start = f"2026-03-{1 + number // 24:02} {number % 24:02}:00:00"
    return [f"s{number}", "bot", f"u{number % USERS}", start, outcome, loaded_at, loaded_at]


def turn(session_number, turn_id, loaded_at=OLD):
    speaker = "user" if int(turn_id) % 2 else "assistant"
    return [turn_id, f"s{session_number}", "bot", turn_id, speaker, loaded_at, loaded_at]


def turns(session_number, loaded_at=OLD):
    return [turn(session_number, str(index), loaded_at) for index in range(TURNS)]


def insert(project, table, *rows):
    values = ", ".join("(" + ", ".join(f"'{value}'" for value in row) + ")" for row in rows)
    project.rows(f"insert into voice_ai_raw.{table} ({COLUMNS[table]}) values {values}")


def delete(project, table, condition):
    project.rows(f"delete from voice_ai_raw.{table} where {condition}")


# The session that each change affects.
LEAVES, COMES, CORRECTED, OUTDATED, SHORTENED, DELAYED, LENGTHENED = 1, 100, 40, 41, 50, 101, 51
GONE_USER = 3


def load_all(project):
    """Load a hundred sessions, some of them yesterday, two of them in two versions."""
    project.rows("create schema voice_ai_raw")
    for table, columns in COLUMNS.items():
        project.rows(f"create table voice_ai_raw.{table} ({columns.replace(',', ' text,')} text)")
    recent = {*range(90, SESSIONS), LEAVES}
    loads = {number: RECENT if number in recent else OLD for number in range(SESSIONS)}
    insert(project, "sessions", *(session(number, loads[number]) for number in loads))
    insert(project, "turns", *(one for number in loads for one in turns(number, loads[number])))
    insert(project, "users", *([f"u{user}", "rural", "no", OLD, OLD] for user in range(USERS)))
    for number in (CORRECTED, OUTDATED):
        insert(project, "sessions", session(number, OLDER, "in_progress"))


def exchange(project):
    """Delete a session and add another one that was loaded on the same day: counts cancel out."""
    delete(project, "sessions", f"session_id = 's{LEAVES}'")
    delete(project, "turns", f"session_id = 's{LEAVES}'")
    insert(project, "sessions", session(COMES, RECENT))
    insert(project, "turns", *turns(COMES, RECENT))


def delete_the_newer_version(project):
    delete(project, "sessions", f"session_id = 's{CORRECTED}' and outcome_raw = 'completed'")


def delete_the_older_version(project):
    delete(project, "sessions", f"session_id = 's{OUTDATED}' and outcome_raw = 'in_progress'")


def delete_a_user(project):
    delete(project, "users", f"user_id = 'u{GONE_USER}'")


def delete_an_old_turn(project):
    delete(project, "turns", f"session_id = 's{SHORTENED}' and turn_id = '5'")


def load_late(project):
    """Load a session, and a turn of another one, with a load time that was read long ago."""
    insert(project, "sessions", session(DELAYED, OLDER))
    insert(project, "turns", *turns(DELAYED, OLDER), turn(LENGTHENED, "6", OLDER))


CHANGES = [
    exchange,
    delete_the_newer_version,
    delete_the_older_version,
    delete_a_user,
    delete_an_old_turn,
    load_late,
]


@pytest.fixture(scope="module", params=ENGINES)
def states(request, consumer) -> dict[str, dict]:
    """Build after each change; return what was there after each build, and after a full refresh."""
    made = consumer(None, request.param)
    (made.directory / "profiles.yml").write_text(FAULTS_PROFILES, encoding="utf-8")
    (made.directory / "dbt_project.yml").write_text(PROJECT, encoding="utf-8")
    (made.directory / "disk").mkdir()
    project = Project(made.directory, made.engine, made.environment)
    load_all(project)
    project.dbt("build", "--exclude-resource-type", "unit_test")
    states = {"first": project.state()}
    for change in CHANGES:
        change(project)
        project.build()
        states[change.__name__] = project.state()
    project.build("--full-refresh")
    states["full refresh"] = project.state()
    return states


def changes(states, step, *columns) -> dict:
    """Return what a step changed in some columns, as {session: {column: (before, after)}}."""
    names = [*states]
    before, after = (states[name]["fact"] for name in (names[names.index(step) - 1], step))
    missing = dict.fromkeys(columns)
    found = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, missing), after.get(key, missing)
        pairs = {name: (old[name], new[name]) for name in columns if old[name] != new[name]}
        if pairs:
            found[key] = pairs
    return found


def quarantined(states, step) -> Counter:
    """Count the rows in quarantine by table, session and reasons."""
    return Counter(
        (table, dict(row).get("session_id"), dict(row)["quarantine_reasons"])
        for table in ("sessions", "turns", "users")
        for row in states[step][table].elements()
    )


READ = ("turn_count", "outcome", "region", "is_deleted_upstream")


def test_turn_ids_that_come_again_in_each_session_are_all_counted(states) -> None:
    fact = states["first"]["fact"]
    assert len(fact) == SESSIONS
    assert {row["turn_count"] for row in fact.values()} == {TURNS}
    assert sum(row["turn_count"] for row in fact.values()) == 600
    assert states["first"]["turns"] == Counter()


def test_exchanged_sessions_are_noticed_though_counts_cancel_out(states) -> None:
    assert changes(states, "exchange", *READ) == {
        f"s{LEAVES}": {"is_deleted_upstream": (False, True)},
        f"s{COMES}": {
            "turn_count": (None, TURNS),
            "outcome": (None, "completed"),
            "region": (None, "rural"),
            "is_deleted_upstream": (None, False),
        },
    }


def test_without_its_newer_version_a_session_is_again_what_the_older_says(states) -> None:
    assert changes(states, "delete_the_newer_version", *READ) == {
        f"s{CORRECTED}": {"outcome": ("completed", "in_progress")}
    }
    assert quarantined(states, "exchange") - quarantined(states, "delete_the_newer_version") == {
        ("sessions", f"s{CORRECTED}", "duplicate"): 1
    }


def test_without_its_older_version_a_session_leaves_nothing_in_quarantine(states) -> None:
    assert changes(states, "delete_the_older_version", *READ) == {}
    assert quarantined(states, "delete_the_newer_version") == {
        ("sessions", f"s{OUTDATED}", "duplicate"): 1
    }
    assert quarantined(states, "delete_the_older_version") == {}


def test_a_deleted_user_leaves_no_attribute_behind(states) -> None:
    sessions = [*range(GONE_USER, SESSIONS, USERS)]
    assert changes(states, "delete_a_user", *READ, "has_disability") == {
        f"s{number}": {"region": ("rural", None), "has_disability": (False, None)}
        for number in sessions
    }


def test_a_deleted_turn_is_no_longer_counted_however_old(states) -> None:
    assert changes(states, "delete_an_old_turn", *READ) == {
        f"s{SHORTENED}": {"turn_count": (TURNS, TURNS - 1)}
    }


def test_rows_that_come_late_are_read_however_old_their_load_time(states) -> None:
    found = changes(states, "load_late", "turn_count", "is_deleted_upstream")
    assert found == {
        f"s{LENGTHENED}": {"turn_count": (TURNS, TURNS + 1)},
        f"s{DELAYED}": {"turn_count": (None, TURNS), "is_deleted_upstream": (None, False)},
    }


def test_all_is_as_a_full_refresh_makes_it(states) -> None:
    assert differences(states["load_late"], states["full refresh"]) == {}

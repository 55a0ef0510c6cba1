"""The gate: readers see only tested rows, and after a failed build those that were there before.

One story per engine: a consumer project is built again and again while its raw tables change for
better and worse. What readers could see after each build is kept for the tests.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg2
import pytest
from consumer import ENGINES, Consumer

PROJECT = """\
name: gate
profile: consumer
vars:
  voice_ai_outcome_mapping: our_outcomes
  voice_ai_user_attributes: [age_band]
"""
OUTCOMES = "platform,outcome_raw,outcome\nbot,Solved!,{outcome}\n"

SESSIONS = (
    "session_id, platform, user_id, channel, started_at, ended_at, duration_seconds, turn_count,"
    " outcome_raw, csat_score, updated_at"
)
TURNS = (
    "turn_id, session_id, platform, turn_index, speaker, asr_confidence, error_type,"
    " response_latency_ms"
)
USERS = "user_id, region, has_disability, is_first_time_digital_user, age_band"

CALLS = 120  # tables of fewer than 100 rows aren't judged as a whole
PEOPLE = 12
STRANGE_IDS = [
    ("bot", 'it\'s; drop table "sessions"; --'),
    ("bot", "\U0001f3a7 \U0001f469\u200d\U0001f469\u200d\U0001f467"),
    ("bot", "שלום עולם"),
    ("bot", "a-b"),
    ("bot-a", "b"),
    ("bot-a-b", "-"),
    ("bot", "a-b--"),
]


def person(number):
    return f"person.{number}@example.org"


def call(number, **more):
    """Return a call as the platform reports it; calls start a quarter of an hour apart."""
    start = f"2026-03-0{1 + number // 96} {number % 96 // 4:02}:{number % 4 * 15:02}"
    return {
        "session_id": f"call-{number}",
        "platform": "bot",
        "user_id": person(number % PEOPLE),
        "channel": "voice",
        "started_at": f"{start}:00",
        "duration_seconds": "120",
        "turn_count": "2",
        "outcome_raw": ["Solved!", "abandoned", "transferred"][number % 3],
        **more,
    }


def turns_of(session):
    return [
        {
            "turn_id": f"{session['session_id']}/{index}",
            "session_id": session["session_id"],
            "platform": session["platform"],
            "turn_index": str(index),
            "speaker": speaker,
            "asr_confidence": "0.75" if speaker == "user" else None,
        }
        for index, speaker in enumerate(["system", "user"])
    ]


DIRTY_SESSIONS = {
    "missing_session_id": call(0, session_id=" "),
    "missing_platform, ended_before_started": call(
        1, session_id="wrong-1", platform=None, ended_at="2026-02-28T10:00:00Z", csat_score="9"
    ),
    "unreadable_started_at": call(
        2, session_id="wrong-2", started_at="31/03/2026", duration_seconds="2 min"
    ),
    "duplicate": call(3, updated_at="2026-01-01", outcome_raw="in_progress"),
}
DIRTY_TURNS = {
    "unknown_speaker": {
        "turn_id": "wrong-1",
        "session_id": "call-1",
        "platform": "bot",
        "turn_index": "9",
        "speaker": "martian",
        "asr_confidence": "high",
        "response_latency_ms": "-1",
    },
    "negative_turn_index": {**turns_of(call(1))[1], "turn_id": "wrong-2", "turn_index": "-1"},
    "quarantined_session": {**turns_of(call(2))[1], "turn_id": "wrong-3", "session_id": "wrong-2"},
    "unknown_session": {**turns_of(call(2))[1], "turn_id": "wrong-4", "session_id": "never seen"},
}


def literal(value):
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def insert(project, table, columns, rows):
    values = ", ".join(
        "(" + ", ".join(literal(row.get(column)) for column in columns.split(", ")) + ")"
        for row in rows
    )
    project.rows(f"insert into voice_ai_raw.{table} ({columns}) values {values}")


def create(project, table, columns):
    declared = columns.replace(",", " text,")
    project.rows(f"create table voice_ai_raw.{table} ({declared} text)")


def write_raw(project):
    """Write the first raw tables: good calls, strange ids and bad rows."""
    calls = [call(number) for number in range(CALLS)]
    strange = [
        call(number, session_id=session_id, platform=platform)
        for number, (platform, session_id) in enumerate(STRANGE_IDS)
    ]
    calls[3]["updated_at"] = "2026-03-02"
    turns = [turn for session in calls[1:] + strange for turn in turns_of(session)]
    people = [
        {"user_id": person(number), "region": "Rural", "age_band": f"{number}0 to {number}9"}
        for number in range(PEOPLE)
    ]
    project.rows("create schema voice_ai_raw")
    for table, columns, rows in (
        ("sessions", SESSIONS, [*calls, *strange, *DIRTY_SESSIONS.values()]),
        ("turns", TURNS, [*turns, *DIRTY_TURNS.values()]),
        ("users", USERS, people),
    ):
        create(project, table, columns)
        insert(project, table, columns, rows)


CERTIFIED = (
    "fact_voice_ai_sessions",
    "voice_ai_session_outcomes",
    "fact_voice_ai_outcome_changes",
    "voice_ai_outcome_settling",
    "voice_ai_outcome_maturity",
    "voice_ai_row_accounting",
    "voice_ai_quarantine_reasons",
    "voice_ai_user_activity",
)
# A single row, which differs in every version of the fact.
SEEN_BY_READERS = """
    select count(*), min(duration_seconds), max(duration_seconds), md5(string_agg(
        session_key || outcome || coalesce(region, ''), ',' order by session_key
    ))
    from main_voice_ai.fact_voice_ai_sessions
"""


@dataclass
class Story:
    """What each build left behind, how it ended, and what a reader saw meanwhile."""

    project: Consumer
    certified: dict = field(default_factory=dict)
    quarantined: dict = field(default_factory=dict)
    seen: dict = field(default_factory=dict)
    codes: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    observed: list = field(default_factory=list)

    def build(self, name, *arguments):
        """Build and test, without the package's unit tests, which read no data."""
        command = ("build", "--exclude-resource-type", "unit_test", *arguments)
        self.codes[name] = self.project.dbt(*command, check=False).returncode
        self.results[name] = self.project.results()
        self.certified[name] = {
            table: Counter(self.project.rows(f"select * from main_voice_ai.{table}"))
            for table in CERTIFIED
        }
        self.quarantined[name] = {
            table: Counter(
                self.project.rows(
                    "select quarantine_reasons"
                    f" from main_voice_ai_staging.quarantine_voice_ai__{table}"
                )
            )
            for table in ("sessions", "turns", "users")
        }
        (self.seen[name],) = self.project.rows(SEEN_BY_READERS)

    def table(self, name, table):
        """Return the rows of a certified table after a build, as dictionaries."""
        columns = self.project.rows(
            "select column_name from information_schema.columns"
            f" where table_schema = 'main_voice_ai' and table_name = '{table}'"
            " order by ordinal_position"
        )
        names = [column for (column,) in columns]
        return [
            dict(zip(names, row, strict=True)) for row in self.certified[name][table].elements()
        ]

    def fact(self, name):
        """Return the fact by platform and id after a build."""
        rows = self.table(name, "fact_voice_ai_sessions")
        return {(row["platform"], row["session_id"]): row for row in rows}

    def failed(self, name):
        """Return the nodes that failed in a build."""
        return [node for node, status in self.results[name].items() if status in ("fail", "error")]


@contextmanager
def reader(story):
    """Read the fact continuously, as a dashboard would; DuckDB admits no second process."""
    if story.project.engine == "duckdb":
        yield
        return
    stop = threading.Event()

    def read():
        with closing(story.project.postgres()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            is_last = False
            while not is_last:
                is_last = stop.wait(0.002)
                try:
                    cursor.execute(SEEN_BY_READERS)
                    story.observed.append(cursor.fetchone())
                except psycopg2.Error as error:
                    story.observed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def story(engine, consumer):
    """Build a project on good days and bad days."""
    project = consumer(None, engine)
    (project.directory / "dbt_project.yml").write_text(PROJECT)
    (project.directory / "seeds").mkdir()
    mapping = project.directory / "seeds" / "our_outcomes.csv"
    mapping.write_text(OUTCOMES.format(outcome="completed"))
    write_raw(project)
    story = Story(project)
    story.build("first")
    with reader(story):
        story.build("unchanged")

        run = project.rows
        run(
            "update voice_ai_raw.sessions set outcome_raw = 'abandoned' where session_id = 'call-0'"
        )
        run("delete from voice_ai_raw.sessions where session_id = 'call-7'")
        run(f"update voice_ai_raw.users set region = 'Urban' where user_id = '{person(5)}'")
        insert(project, "sessions", SESSIONS, [call(CALLS)])
        story.build("changed", "--full-refresh")

        run("update voice_ai_raw.sessions set duration_seconds = '120000' where turn_count = '2'")
        insert(project, "sessions", SESSIONS, [call(CALLS + 1), call(CALLS + 2)])
        story.build("milliseconds")

        run("update voice_ai_raw.sessions set duration_seconds = '121' where turn_count = '2'")
        mapping.write_text(OUTCOMES.format(outcome="complete"))
        story.build("misspelt outcome")

        mapping.write_text(OUTCOMES.format(outcome="completed"))
        story.build("cured")
    return story


BAD_BUILDS = {
    "milliseconds": "assert_durations_are_seconds",
    "misspelt outcome": "voice_ai_outcome_mapping_uses_our_outcomes",
}


def test_good_builds_pass_whatever_single_rows_are_like(story):
    good = {name: code for name, code in story.codes.items() if name not in BAD_BUILDS}
    assert good == dict.fromkeys(["first", "unchanged", "changed", "cured"], 0)


@pytest.mark.parametrize("name", BAD_BUILDS)
def test_a_failing_test_stops_the_build_before_anything_certified(story, name):
    assert story.codes[name] == 1
    (failed,) = story.failed(name)
    assert BAD_BUILDS[name] in failed
    assert story.results[name]["model.voice_ai_analytics.fact_voice_ai_sessions"] == "skipped"
    snapshot = "snapshot.voice_ai_analytics.voice_ai_session_outcomes"
    assert story.results[name][snapshot] == "skipped"
    assert story.certified[name] == story.certified["changed"]


def test_a_cured_build_publishes_what_was_held_back(story):
    before, after = story.fact("misspelt outcome"), story.fact("cured")
    assert after.keys() - before.keys() == {("bot", f"call-{CALLS + n}") for n in (1, 2)}
    assert {row["duration_seconds"] for row in before.values()} == {120.0}
    in_the_source = [row for row in after.values() if not row["is_deleted_upstream"]]
    assert {row["duration_seconds"] for row in in_the_source} == {121.0}


def test_a_reader_sees_only_certified_versions(story):
    if story.project.engine == "duckdb":
        assert story.observed == []
        return
    versions = [story.seen[name] for name in ("first", "changed", "cured")]
    assert len(set(versions)) == 3
    assert [version for version, _ in itertools.groupby(story.observed)] == versions


def test_every_good_session_is_certified_once(story):
    expected = {("bot", f"call-{number}") for number in range(CALLS)} | set(STRANGE_IDS)
    rows = story.table("first", "fact_voice_ai_sessions")
    assert Counter((row["platform"], row["session_id"]) for row in rows) == Counter(expected)
    assert len({row["session_key"] for row in rows}) == len(expected)


def test_a_session_without_turns_is_certified_with_zero_counts(story):
    row = story.fact("first")["bot", "call-0"]
    assert (row["turn_count"], row["user_turn_count"], row["asr_confidence_count"]) == (0, 0, 0)
    assert row["asr_confidence_mean"] is None
    others = [row for key, row in story.fact("first").items() if key != ("bot", "call-0")]
    # Sessions with strange ids keep their turns, too.
    assert {(row["turn_count"], row["user_turn_count"]) for row in others} == {(2, 1)}
    assert {row["asr_confidence_mean"] for row in others} == {0.75}


def test_dirty_rows_are_quarantined_with_all_their_reasons(story):
    assert story.quarantined["first"] == {
        "sessions": Counter((reasons,) for reasons in DIRTY_SESSIONS),
        "turns": Counter((reasons,) for reasons in DIRTY_TURNS),
        "users": Counter(),
    }


def test_rows_add_up_to_those_of_the_raw_tables(story):
    sessions, turns = CALLS + len(STRANGE_IDS), 2 * (CALLS - 1 + len(STRANGE_IDS))
    assert {
        row["table_name"]: (row["raw_rows"], row["staged_rows"], row["quarantined_rows"])
        for row in story.table("first", "voice_ai_row_accounting")
    } == {
        "sessions": (sessions + 4, sessions, 4),
        "turns": (turns + 4, turns, 4),
        "users": (PEOPLE, PEOPLE, 0),
    }


def test_of_two_rows_with_one_id_the_latest_counts(story):
    assert story.fact("first")["bot", "call-3"]["outcome"] == "completed"


def test_a_build_on_the_same_rows_changes_nothing(story):
    assert story.certified["unchanged"] == story.certified["first"]


def test_a_changed_user_changes_that_users_sessions_and_no_other(story):
    before, after = story.fact("unchanged"), story.fact("changed")
    assert {
        key: (before[key]["region"], row["region"])
        for key, row in after.items()
        if key in before and row["region"] != before[key]["region"]
    } == {
        key: ("rural", "urban")
        for key in before
        if key[1] in {f"call-{number}" for number in range(5, CALLS, PEOPLE)}
        or key == STRANGE_IDS[5]
    }


def test_a_changed_outcome_is_one_more_version_and_a_deleted_session_is_marked(story):
    def versions(name):
        rows = story.table(name, "voice_ai_session_outcomes")
        rows.sort(key=lambda row: (row["dbt_valid_from"], row["is_deleted_upstream"]))
        found = {}
        for row in rows:
            version = (row["outcome"], row["is_deleted_upstream"], row["dbt_valid_to"] is None)
            of_session = found.setdefault((row["platform"], row["session_id"]), [])
            # History holds whole sessions; versions that differ in other columns count as one.
            if of_session and of_session[-1][:2] == version[:2]:
                of_session.pop()
            of_session.append(version)
        return found

    before, after = versions("unchanged"), versions("changed")
    assert before == {
        key: [(row["outcome"], False, True)] for key, row in story.fact("first").items()
    }
    assert {key: after[key] for key in after if after[key] != before.get(key)} == {
        ("bot", "call-0"): [("completed", False, False), ("abandoned", False, True)],
        ("bot", "call-7"): [("abandoned", False, False), ("abandoned", True, True)],
        ("bot", f"call-{CALLS}"): [("completed", False, True)],
    }
    assert before.keys() - after.keys() == set()
    gone = [key for key, row in story.fact("changed").items() if row["is_deleted_upstream"]]
    assert gone == [("bot", "call-7")]
    # And not again at the next build.
    assert {key: found for key, found in versions("cured").items() if key in after} == after


def test_user_keys_are_salted_and_survive_a_full_refresh(story):
    ((salt,),) = story.project.rows("select salt from main_voice_ai_private.stg_voice_ai__salt")
    for name in ("first", "changed"):
        found = story.fact(name)
        assert {found["bot", f"call-{number}"]["user_key"] for number in range(PEOPLE, 24)} == {
            hashlib.sha256((salt + person(number)).encode()).hexdigest() for number in range(PEOPLE)
        }


def test_the_salt_is_in_no_file_of_dbts(story):
    ((salt,),) = story.project.rows("select salt from main_voice_ai_private.stg_voice_ai__salt")
    directory = story.project.directory
    files = [
        path
        for part in ("target", "logs")
        for path in (directory / part).rglob("*")
        if path.is_file()
    ]
    assert any(path.name == "dbt.log" for path in files)
    assert any(path.name == "stg_voice_ai__salt.sql" for path in files)
    assert [path for path in files if salt.encode() in path.read_bytes()] == []


def test_no_user_id_is_certified(story):
    tables = story.project.rows(
        "select table_name from information_schema.tables"
        " where table_schema = 'main_voice_ai' and table_name <> 'voice_ai_time_spine_daily'"
    )
    assert {table for (table,) in tables} >= set(CERTIFIED)
    for (table,) in tables:
        assert "@example" not in str(story.project.rows(f"select * from main_voice_ai.{table}"))


def test_user_attributes_are_certified_as_text(story):
    fact = story.fact("first")
    assert {fact["bot", f"call-{number}"]["age_band"] for number in range(PEOPLE)} == {
        f"{number}0 to {number}9" for number in range(PEOPLE)
    }


# --- the least that a deployment can have ---


@pytest.fixture(scope="module")
def bare(engine, consumer):
    """Build on two typed tables with little more than the required columns, and no users."""
    project = consumer(None, engine)
    (project.directory / "dbt_project.yml").write_text("name: bare\nprofile: consumer\n")
    project.rows("create schema voice_ai_raw")
    project.rows(
        "create table voice_ai_raw.sessions as select 7 as session_id, 'bot' as platform,"
        f" cast('2026-03-01 12:00:00+02' as timestamptz) as started_at, '{person(1)}' as user_id"
    )
    project.rows(
        "create table voice_ai_raw.turns as select 1.5 as turn_id, 7 as session_id,"
        " 'bot' as platform, 1 as turn_index, 'USER' as speaker"
    )
    project.dbt("build", "--exclude-resource-type", "unit_test")
    return project


def test_absent_columns_and_an_absent_users_table_read_as_null(bare):
    assert bare.rows(
        "select session_id, cast(started_at as text), outcome, user_turn_count,"
        " channel, language, region, ended_at, duration_seconds, declared_turn_count"
        " from main_voice_ai.fact_voice_ai_sessions"
    ) == [("7", "2026-03-01 10:00:00", "unknown", 1, *[None] * 6)]


def test_another_database_gives_the_same_user_another_key(bare, story):
    ((key,),) = bare.rows("select user_key from main_voice_ai.fact_voice_ai_sessions")
    assert len(key) == 64
    assert key not in {row["user_key"] for row in story.fact("cured").values()}


def test_a_missing_required_column_stops_the_build_and_is_named(bare):
    before = bare.rows("select * from main_voice_ai.fact_voice_ai_sessions")
    bare.rows("alter table voice_ai_raw.turns rename column speaker to who")
    try:
        built = bare.dbt("build", "--exclude-resource-type", "unit_test", check=False)
    finally:
        bare.rows("alter table voice_ai_raw.turns rename column who to speaker")
    assert built.returncode == 1
    assert "input_voice_ai__turns lacks the required column speaker; it has turn_id" in built.stdout
    assert bare.rows("select * from main_voice_ai.fact_voice_ai_sessions") == before

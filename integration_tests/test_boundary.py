"""What strangers' platforms report: other units, clocks and names, and what they don't report."""

from __future__ import annotations

import pytest
from consumer import ENGINES, Consumer

PROJECT = """\
name: boundary
profile: consumer
vars: {voice_ai_snapshot: false}
"""
SIZE = 12
SESSIONS = (
    "session_id text, platform text, started_at text, ended_at text, duration_seconds text,"
    " outcome_raw text, csat_score text, channel text"
)
TURNS = (
    "turn_id text, session_id text, platform text, turn_index text, speaker text,"
    " asr_confidence text, error_type text"
)
START = "2026-03-01 10:00:00"
# Twelve sessions each, with a turn of either side.
PLATFORMS = {
    "ends": {"outcome_raw": "completed", "error_type": "noise"},
    "millis": {"started_at": "1772359200000", "outcome_raw": "completed"},
    "email": {"started_at": "Sun, 1 Mar 2026 10:00:00 +0000", "outcome_raw": "user_hangup"},
    "rated": {"csat_score": "{rating}", "outcome_raw": "completed"},  # 1 to 7
    "silent": {},
    "other names": {"user": "Customer", "assistant": "BOT"},
    "system": {"assistant": "SYSTEM"},
}
MISTAKEN = {
    "assert_measurements_are_possible": {"percent": {"asr_confidence": "87"}},
    "assert_durations_are_seconds": {
        "long": {"duration_seconds": "120000", "channel": "voice"},
        "longer than itself": {"duration_seconds": "60000", "ended_at": "2026-03-01 10:01:00"},
    },
}


def write(project: Consumer, platforms: dict[str, dict]) -> None:
    """Replace the raw tables by sessions of these platforms."""
    sessions, turns = [], []
    for platform, own in platforms.items():
        for number in range(1, SIZE + 1):
            told = {"started_at": START, **own}
            told = {name: text.format(rating=1 + number % 7) for name, text in told.items()}
            names = ("started_at", "ended_at", "duration_seconds", "outcome_raw", "csat_score")
            session = [str(number), platform, *(told.get(name) for name in (*names, "channel"))]
            sessions.append(session)
            for index, speaker in enumerate(("user", "assistant")):
                turn = [str(index), str(number), platform, str(index), told.get(speaker, speaker)]
                is_user = speaker == "user"
                turns.append(
                    [
                        *turn,
                        *(
                            told.get(n) if is_user else None
                            for n in ("asr_confidence", "error_type")
                        ),
                    ]
                )
    project.rows("drop schema if exists voice_ai_raw cascade")
    project.rows("create schema voice_ai_raw")
    for table, columns, rows in (("sessions", SESSIONS, sessions), ("turns", TURNS, turns)):
        project.rows(f"create table voice_ai_raw.{table} ({columns})")
        values = ", ".join(
            "(" + ", ".join("null" if text is None else f"'{text}'" for text in row) + ")"
            for row in rows
        )
        project.rows(f"insert into voice_ai_raw.{table} values {values}")


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Return a project on raw tables of text."""
    made = consumer(None, request.param)
    (made.directory / "dbt_project.yml").write_text(PROJECT)
    return made


@pytest.fixture(scope="module")
def built(project) -> Consumer:
    """Build on what can be read."""
    write(project, PLATFORMS)
    project.dbt("build", "--exclude-resource-type", "unit_test")
    return project


def by_platform(project: Consumer, expression: str) -> dict:
    """Return an aggregate of the fact by platform."""
    query = f"select platform, {expression} from main_voice_ai.fact_voice_ai_sessions group by 1"
    return dict(project.rows(query))


def explained(project: Consumer) -> str:
    """Return what ``voice-ai explain`` says, in one line."""
    return " ".join(project.command("voice-ai", "explain").stdout.split())


def test_clocks_are_read(built) -> None:
    starts = by_platform(
        built, "min(cast(started_at as text)) || ' to ' || max(cast(started_at as text))"
    )
    assert starts == dict.fromkeys(PLATFORMS, f"{START} to {START}")


def test_an_impossible_rating_costs_only_itself(built) -> None:
    assert by_platform(built, "count(*)") == dict.fromkeys(PLATFORMS, SIZE)
    assert by_platform(built, "count(csat_score)")["rated"] == 9
    assert built.rows(
        "select platform, table_name, quarantine_reasons, count(*), max(unreadable_values)"
        " from main_voice_ai_staging.quarantine_voice_ai__values group by 1, 2, 3"
    ) == [("rated", "sessions", "impossible_csat_score", 3, "csat_score=7")]


def test_only_known_outcomes_are_eligible(built) -> None:
    eligible = by_platform(built, "count(case when is_eligible then 1 end)")
    assert {name for name, count in eligible.items() if count} == {"ends", "millis", "rated"}
    assert by_platform(built, "count(case when is_contained then 1 end)") == eligible


def test_errors_are_unknown_where_none_is_reported(built) -> None:
    errors = by_platform(built, "sum(error_turn_count)")
    assert errors == dict.fromkeys(PLATFORMS, None) | {"ends": SIZE}
    assert by_platform(built, "count(has_error)")["silent"] == 0


def test_what_is_not_reported_is_null_in_rates(built) -> None:
    rates = ["completion", "containment", "outcome_known", "error_turn", "session_error", "noise"]
    names = [f"voice_ai_{name}_rate" for name in rates] + ["voice_ai_voice_session_share"]
    found = {
        row.pop("voice_ai_session__platform"): [row[name] for name in names]
        for row in built.mf(
            "--metrics", ",".join(names), "--group-by", "voice_ai_session__platform"
        )
    }
    assert found["silent"] == found["email"] == ["", "", "0.0", "", "", "", ""]
    assert [float(rate) for rate in found["ends"][:-1]] == [1, 1, 1, 0.5, 1, 0.5]
    assert found["millis"] == ["1.0", "1.0", "1.0", "", "", "", ""]


def test_speakers_are_read_as_what_they_are(built) -> None:
    assert by_platform(built, "sum(user_turn_count)") == dict.fromkeys(PLATFORMS, SIZE)
    assistants = dict.fromkeys(PLATFORMS, SIZE) | {"system": 0}
    assert by_platform(built, "sum(assistant_turn_count)") == assistants
    results = built.results()
    asked = "test.voice_ai_analytics.assert_system_is_not_the_assistant"
    assert results[asked] == "warn"


@pytest.mark.parametrize("test", MISTAKEN)
def test_mistaken_units_fail_by_name(built, test) -> None:
    write(built, PLATFORMS | MISTAKEN[test])
    done = built.dbt("build", "--full-refresh", "--exclude-resource-type", "unit_test", check=False)
    assert done.returncode == 1
    failed = {name.split(".")[-1] for name, status in built.results().items() if status == "fail"}
    assert failed == {test}
    account = explained(built)
    platform = next(iter(MISTAKEN[test]))
    assert f"fail: {test}" in account
    assert f"platform {platform}" in account
    assert ("impossible_asr_confidence, turns of platform percent" in account) == (
        test == "assert_measurements_are_possible"
    )
    assert "What to do: divide" in account
    assert by_platform(built, "count(*)") == dict.fromkeys(PLATFORMS, SIZE)


def test_nothing_readable_is_never_green(project) -> None:
    write(project, {"days first": {"started_at": "31/03/2026"}})
    project.rows("drop schema if exists main_voice_ai cascade")
    project.rows("drop schema if exists main_voice_ai_staging cascade")
    done = project.dbt("build", "--exclude-resource-type", "unit_test", check=False)
    assert done.returncode == 1
    failed = {name.split(".")[-1] for name, status in project.results().items() if status == "fail"}
    assert failed == {"assert_most_rows_are_readable"}
    account = explained(project)
    assert f"unreadable_started_at, sessions of platform days first {SIZE} rows." in account
    assert "for example: started_at 31/03/2026" in account
    assert "quarantined_session, turns of platform days first" in account


def test_quoted_upper_case_columns_are_one_sentence(project) -> None:
    write(project, {"ends": {}})
    project.rows('alter table voice_ai_raw.sessions rename column outcome_raw to "OUTCOME_RAW"')
    done = project.dbt("build", "--exclude-resource-type", "unit_test", check=False)
    if project.engine == "duckdb":  # where names are the same in any letter case
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert (
        'input_voice_ai__sessions has the column "OUTCOME_RAW", which PostgreSQL tells apart from'
        " outcome_raw; select it as outcome_raw" in " ".join(done.stdout.split())
    )


WRONG_VARS = {
    "voice_ai_user_attributes: region": "takes a list of column names, such as [plan], not",
    "voice_ai_min_cohort_size: ten": "takes a whole number of at least 1, not",
    "voice_ai_min_cohort_size: -1": "takes a whole number of at least 1, not -1",
    "voice_ai_keep_transcripts: sometimes": "takes true or false, not",
    "voice_ai_low_asr_confidence: 50": "takes a number from 0 to 1, not 50",
    "voice_ai_source_tables: calls": "takes a dictionary with names for sessions,",
    "voice_ai_source_tables: {session: calls}": "takes a dictionary with names for sessions,",
}


@pytest.mark.parametrize("setting", WRONG_VARS)
def test_a_value_that_a_var_does_not_take_stops_the_parser(consumer, setting) -> None:
    made = consumer(None, "duckdb")
    (made.directory / "dbt_project.yml").write_text(
        f"{PROJECT.split('vars')[0]}vars: {{{setting}}}\n"
    )
    done = made.dbt("parse", check=False)
    assert done.returncode == 2
    name = setting.split(":")[0]
    assert f"var {name} {WRONG_VARS[setting]}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "setting",
    ["voice_ai_min_cohort: 9", "voice_ai_analytics: {voice_ai_min_cohort: 9}", "--vars"],
)
def test_a_var_that_does_not_exist_stops_the_parser(consumer, setting) -> None:
    made = consumer(None, "duckdb")
    said = ("--vars", "voice_ai_min_cohort: 9") if setting == "--vars" else ()
    written = "a_var_of_the_host: 1" if said else setting
    (made.directory / "dbt_project.yml").write_text(
        f"{PROJECT.split('vars')[0]}vars: {{{written}}}\n"
    )
    done = made.dbt("parse", *said, check=False)
    assert done.returncode == 2
    told = " ".join(done.stdout.split())
    assert "there is no var voice_ai_min_cohort; voice_ai_analytics has" in told
    assert "voice_ai_min_cohort_size" in told


def test_raw_tables_may_lie_in_another_database(consumer) -> None:
    made = consumer(None, "duckdb")
    settings = PROJECT.replace(
        "{voice_ai_snapshot", "{voice_ai_source_database: lake, voice_ai_snapshot"
    )
    (made.directory / "dbt_project.yml").write_text(settings)
    made.dbt("parse")
    sources = made.manifest["sources"].values()
    assert {source["database"] for source in sources if source["source_name"] == "voice_ai"} == {
        "lake"
    }

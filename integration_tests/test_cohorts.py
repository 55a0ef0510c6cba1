"""Cohort gaps and segments of a built project; the gaps equal MetricFlow's gap metrics."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime

import pytest
from consumer import Consumer

REGIONS, CHANNELS = ("rural", "urban", "urban", ""), ("voice", "ivr", "chat", "")
GAPS = {
    "voice_ai_rural_completion_gap": ("region", "rural"),
    "voice_ai_first_time_completion_gap": ("is_first_time_digital_user", "true"),
    "voice_ai_voice_completion_gap": ("channel", "voice"),
}


@pytest.fixture(scope="module")
def project(consumer) -> Consumer:
    """Build the package over 900 sessions of 300 users; sessions that begin with an error fail."""
    made = consumer("metrics", "duckdb")
    draw = random.Random(1)
    users, sessions, turns = [], [], []
    for user in range(300):
        region, first_time = REGIONS[user % 4], ("yes", "no", "no", "")[user // 4 % 4]
        users.append((f"u{user}", region, ("yes", "no")[user % 5 > 0], first_time))
        for visit in range(3):
            session, channel = f"s{user}-{visit}", draw.choice(CHANNELS)
            errors = draw.random() < 0.4
            chance = 0.25 if errors else 0.8 - 0.15 * (region == "rural")
            outcome = "completed" if draw.random() < chance else "abandoned"
            start = f"2024-01-{1 + user % 28:02} {8 + visit:02}:00:00"
            owner = f"u{user}" if draw.random() < 0.95 else ""
            sessions.append((session, "alpha", owner, channel, "en", start, outcome))
            for turn in range(4):
                error = "no_match" if errors and turn == 1 else ""
                turns.append((f"{session}-{turn}", session, "alpha", turn, "user", error))
    write(made, "users", "user_id region has_disability is_first_time_digital_user", users)
    columns = "session_id platform user_id channel language started_at outcome_raw"
    write(made, "sessions", columns, sessions)
    write(made, "turns", "turn_id session_id platform turn_index speaker error_type", turns)
    (made.directory / "seeds" / "asr_word_errors.csv").unlink()
    made.dbt("seed")
    made.dbt("build", "--exclude-resource-type", "test", "unit_test", "seed")
    return made


@pytest.fixture(scope="module")
def result(project) -> dict:
    project.command("voice-ai", "segment", "--json", "segments.json")
    return json.loads((project.directory / "segments.json").read_text(encoding="utf-8"))


def write(project, table: str, columns: str, rows) -> None:
    path = project.directory / "seeds" / f"{table}.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns.split(), *rows])


def test_gaps_are_those_of_metricflow(project, result) -> None:
    (row,) = project.mf("--metrics", ",".join(GAPS))
    rows = project.rows(
        "select dimension, level, gap from main_voice_ai.voice_ai_cohort_gaps"
        " where measure = 'voice_ai_completion_rate'"
    )
    gaps = {(dimension, level): gap for dimension, level, gap in rows}
    for metric, comparison in GAPS.items():
        assert gaps[comparison] == pytest.approx(float(row[metric]), abs=1e-9)


def test_a_segment_is_found_and_written(project, result) -> None:
    rows = project.rows(
        "select rule, gap, ci_high, n from main_voice_ai.voice_ai_found_segments order by gap"
    )
    assert "errors in the first 3 user turns: 1 or more" in rows[0][0]
    assert rows[0][1] < rows[0][2] < 0
    assert [row[0] for row in rows] == [one["rule"] for one in result["found_segments"]["segments"]]


def test_a_result_that_cannot_be_a_table_is_no_file_either(project, result) -> None:
    written = (project.directory / "segments.json").read_text(encoding="utf-8")
    project.rows("alter table main_voice_ai.voice_ai_segmentation rename to kept")
    project.rows("create view main_voice_ai.voice_ai_segmentation as select 1 as in_the_way")
    gaps = project.rows("select * from main_voice_ai.voice_ai_cohort_gaps order by all")
    told = project.command("voice-ai", "segment", "--json", "segments.json", check=False)
    assert told.returncode == 2 and "Traceback" not in told.stderr
    assert (project.directory / "segments.json").read_text(encoding="utf-8") == written
    assert project.rows("select * from main_voice_ai.voice_ai_cohort_gaps order by all") == gaps
    project.rows("drop view main_voice_ai.voice_ai_segmentation")
    project.rows("alter table main_voice_ai.kept rename to voice_ai_segmentation")


def test_a_result_says_of_which_day_it_is(project, result) -> None:
    assert result["as_of"] is None
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    told = project.command("voice-ai", "segment", "--as-of", today, "--json", "then.json").stdout
    assert f"Sessions as known on {today}, end of day UTC; no table was written." in told
    then = json.loads((project.directory / "then.json").read_text(encoding="utf-8"))
    assert then["as_of"] == f"{today}T23:59:59.999999Z"
    assert then | {"as_of": None} == result
    unset = project.command("voice-ai", "segment", "--as-of", "", check=False)
    assert (unset.returncode, "isn't a date" in unset.stderr) == (2, True)


@pytest.mark.parametrize("command", ["segment", "fit-abandonment", "report", "export-metrics"])
def test_a_database_that_is_not_there_is_not_made(project, result, command) -> None:
    database = project.directory / "consumer.duckdb"
    database.rename(project.directory / "kept")
    try:
        told = project.command("voice-ai", command, check=False)
        assert told.returncode == 2 and not database.exists()
        assert "no such database; run dbt build" in told.stderr
    finally:
        (project.directory / "kept").rename(database)


def test_without_turns_gaps_stand(project, result) -> None:
    text = (project.directory / "dbt_project.yml").read_text(encoding="utf-8")
    text = text.replace("voice_ai_fact_turns: true", "voice_ai_fact_turns: false")
    (project.directory / "dbt_project.yml").write_text(text, encoding="utf-8")
    project.dbt("parse")
    told = project.command("voice-ai", "segment").stdout
    assert "no segment was searched: segments need" in " ".join(told.split())
    assert project.rows("select count(*) from main_voice_ai.voice_ai_found_segments") == [(0,)]

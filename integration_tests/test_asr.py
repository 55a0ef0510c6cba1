"""From reference transcripts to the metric: evaluate-asr, then dbt build, on both engines.

Sessions and turns come from the project metrics, whose errors are counted by eye, and from a
platform that numbers the turns of each of its hundred sessions from 0.
"""

from __future__ import annotations

import csv
import json

import pytest
from consumer import ENGINES, Consumer

COLUMNS = (
    "turn_id", "platform", "reference_text", "hypothesis_text", "asr_model", "language",
    "session_id",
)  # fmt: skip
REFERENCES = [
    # One word of five is wrong; all three words are missing.
    ("t01", "alpha", "please pay my bill today", "please pay my mill today", "asr-1", "en", "s01"),
    ("t03", "alpha", "on friday morning", "", "asr-1", "", ""),
    # No error in three; one insertion and one deletion in four.
    ("t20", "beta", "hola que tal", "hola que tal", "asr-2", "", ""),
    ("t22", "beta", "quiero pagar ahora mismo", "quiero pagar la ahora", "asr-2", "es", "s10"),
    # Nothing was said; and a turn of no certified session.
    ("t05", "alpha", "", "uh", "asr-1", "en", ""),
    ("t99", "alpha", "yes please", "yes pleas", "asr-1", "en", ""),
]
# In session g, turn t, (g + t) % 3 of three words are missing: six of eighteen in each session.
REPEATING = [(f"g{g}", str(t), (g + t) % 3) for g in range(100) for t in range(6)]
REFERENCES += [
    (turn, "gamma", "moja mbili tatu", ("moja mbili tatu", "moja mbili", "moja")[lost], "asr-9",
     "", session)
    for session, turn, lost in REPEATING
]  # fmt: skip
SECRETS = ("please pay", "friday", "quiero", "mill today")


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Build the package over sessions, turns and references that haven't been evaluated."""
    made = consumer("metrics", request.param)
    seeds = made.directory / "seeds"
    (seeds / "asr_word_errors.csv").unlink()
    session = {"platform": "gamma", "user_id": "ug", "channel": "voice", "language": "sw"}
    session |= {"started_at": "2024-01-08 10:00:00", "outcome_raw": "completed"}
    session |= {"asr_model": "asr-9"}
    add(seeds / "sessions.csv", [{**session, "session_id": f"g{number}"} for number in range(100)])
    turn = {"platform": "gamma", "speaker": "user", "asr_confidence": "0.5"}
    add(
        seeds / "turns.csv",
        [
            {**turn, "turn_id": number, "session_id": session_id, "turn_index": number}
            for session_id, number, _ in REPEATING
        ],
    )
    write(seeds / "asr_references.csv", REFERENCES)
    made.dbt("seed")
    build(made)
    return made


def build(project: Consumer) -> None:
    """Build everything but the seeds, which stand in for raw tables that models read as sources."""
    project.dbt("build", "--exclude-resource-type", "seed")


@pytest.fixture(scope="module")
def result(project) -> dict:
    """Evaluate the references of the warehouse and certify the outcome."""
    assert project.rows("select count(*) from main_voice_ai.fact_voice_ai_asr_evaluations")[0] == (
        0,
    )
    project.command("voice-ai", "evaluate-asr", "--json", "result.json")
    build(project)
    return json.loads((project.directory / "result.json").read_text(encoding="utf-8"))


def add(path, rows: list[dict]) -> None:
    """Add rows to a file of comma-separated values; columns that they lack stay empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        columns = next(csv.reader(stream))
    with path.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, columns).writerows(rows)


def write(path, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


def word_errors(project: Consumer) -> list[tuple]:
    return project.rows(
        "select turn_id, substitutions + deletions + insertions, reference_words, normalizer"
        " from main_raw.asr_word_errors where platform <> 'gamma' order by turn_id"
    )


COUNTED = [("t01", 1, 5), ("t03", 3, 3), ("t20", 0, 3), ("t22", 2, 4), ("t99", 1, 2)]


def test_word_errors_are_those_counted_by_eye(project, result) -> None:
    assert word_errors(project) == [(*row, "none") for row in COUNTED]
    overall = result["overall"]
    assert (overall["errors"], overall["reference_words"], overall["turns"]) == (607, 1817, 605)
    assert overall["word_error_rate"] == pytest.approx(607 / 1817)
    assert result["empty_references"] == {"turns": 1, "insertions": 1}
    assert any("1 turns belong to no certified session" in note for note in result["notes"])


def test_metric_is_errors_over_words_of_certified_turns(project, result) -> None:
    (row,) = project.mf("--metrics", "voice_ai_word_error_rate,voice_ai_reference_words")
    assert float(row["voice_ai_word_error_rate"]) == pytest.approx(606 / 1815)
    assert float(row["voice_ai_reference_words"]) == 1815
    rows = project.mf(
        "--metrics", "voice_ai_word_error_rate", "--group-by", "voice_ai_session__language"
    )
    by_language = {
        row["voice_ai_session__language"]: float(row["voice_ai_word_error_rate"]) for row in rows
    }
    assert by_language == pytest.approx({"en": 4 / 8, "es": 2 / 7, "sw": 600 / 1800})


def test_a_turn_id_that_repeats_is_another_turn_in_each_session(project, result) -> None:
    found = project.rows(
        "select session_id, turn_id, deletions from main_raw.asr_word_errors"
        " where platform = 'gamma'"
    )
    assert sorted(found) == sorted(REPEATING)
    certified = project.rows(
        "select sessions.session_id, count(*), sum(evaluations.deletions)"
        " from main_voice_ai.fact_voice_ai_asr_evaluations as evaluations"
        " inner join main_voice_ai.fact_voice_ai_sessions as sessions using (session_key)"
        " where sessions.platform = 'gamma' group by sessions.session_id"
    )
    assert sorted(certified) == sorted((f"g{g}", 6, 6) for g in range(100))


def test_a_turn_id_that_repeats_is_refused_without_its_session(project, result) -> None:
    write(project.directory / "bare.csv", [("0", "gamma", "moja", "moja", "asr-9", "", "")])
    refused = project.command("voice-ai", "evaluate-asr", "--input", "bare.csv", check=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "voice-ai: bare.csv: on platform gamma, turn ids belong to several sessions (0); add a"
        " session_id to their references"
    ]
    assert word_errors(project) == [(*row, "none") for row in COUNTED]


def test_a_language_that_a_reference_lacks_is_its_sessions(project, result) -> None:
    rows = project.rows(
        "select turn_id, language from main_raw.asr_word_errors where platform <> 'gamma'"
    )
    assert dict(rows) == {"t01": "en", "t03": "en", "t20": "es", "t22": "es", "t99": "en"}


def test_small_cohorts_are_suppressed(project, result) -> None:
    # Three users in all, and voice_ai_min_cohort_size is 5.
    for group in result["groups"]:
        assert group["suppressed"]
        assert group["word_error_rate"] is group["turns"] is group["ci_low"] is None
    shown = project.rows(
        "select count(word_error_rate), count(turns) from main_voice_ai.voice_ai_asr_error_rates"
        " where grouped_by <> 'overall'"
    )
    assert shown == [(0, 0)]


def test_no_transcript_leaves_staging(project, result) -> None:
    texts = project.rows(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_name like '%asr%' and table_schema in ('main_raw', 'main_voice_ai')"
        " and data_type in ('text', 'VARCHAR', 'character varying')"
        " and table_name <> 'asr_references'"
    )
    assert texts
    for schema, table, column in texts:
        values = project.rows(f'select distinct "{column}" from "{schema}"."{table}"')
        assert not [v for (v,) in values if v and any(secret in v for secret in SECRETS)]
    assert not any(secret in json.dumps(result) for secret in SECRETS)


def test_a_file_takes_the_place_of_what_was_there(project, result) -> None:
    write(project.directory / "new.csv", [("t20", "beta", "a b c", "a b", "asr-3", "es", "")])
    project.command("voice-ai", "evaluate-asr", "--input", "new.csv", "--normalizer", "basic")
    assert word_errors(project) == [("t20", 1, 3, "basic")]
    project.command("voice-ai", "evaluate-asr")
    assert word_errors(project) == [(*row, "none") for row in COUNTED]


def test_what_cannot_be_written_whole_is_not_written(project, result) -> None:
    """If someone's view has a result table's name, word errors stay as they were, too."""
    project.rows("drop table main_voice_ai.voice_ai_asr_reliability")
    project.rows("create view main_voice_ai.voice_ai_asr_reliability as select 1 as one")
    write(project.directory / "new.csv", [("t20", "beta", "a b c", "a b", "asr-3", "es", "")])
    failed = project.command("voice-ai", "evaluate-asr", "--input", "new.csv", check=False)
    project.rows("drop view main_voice_ai.voice_ai_asr_reliability")
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert word_errors(project) == [(*row, "none") for row in COUNTED]


def test_a_table_of_somebody_else_is_left_alone(project, result) -> None:
    project.rows("alter table main_raw.asr_word_errors rename to ours")
    project.rows("create table main_raw.asr_word_errors as select 1 as theirs")
    refused = project.command("voice-ai", "evaluate-asr", check=False)
    kept = project.rows("select theirs from main_raw.asr_word_errors")
    project.rows("drop table main_raw.asr_word_errors")
    project.rows("alter table main_raw.ours rename to asr_word_errors")
    assert refused.returncode == 2
    assert "was not made by voice-ai evaluate-asr" in refused.stderr
    assert kept == [(1,)]


def test_no_reference_is_one_sentence_and_changes_nothing(project, result) -> None:
    write(project.directory / "none.csv", [])
    told = project.command("voice-ai", "evaluate-asr", "--input", "none.csv", check=False)
    assert told.returncode == 3
    assert "There is no reference to compare with; nothing was estimated." in told.stdout
    assert word_errors(project) == [(*row, "none") for row in COUNTED]

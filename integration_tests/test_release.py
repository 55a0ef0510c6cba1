"""Compares two ASR releases in a built project, on both engines; the seeds hold the truth."""

from __future__ import annotations

import csv
import json

import pytest
from consumer import ENGINES, Consumer

USERS, BEFORE, AFTER = 60, "asr-1", "asr'2"


def write(path, header: str, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header.split(), *rows])


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Build sessions: half were completed, and nine in ten with the later release."""
    made = consumer("metrics", request.param)
    sessions, turns, errors = [], [], []
    for number in range(6 * USERS):
        is_after = number >= 3 * USERS
        key, user = f"s{number}", f"u{number % USERS}"
        day = f"2026-0{2 + is_after}-{1 + number % 28:02} 10:00:00"
        # Failures rotate over users, because an effect of only a handful would be declined.
        is_completed = (number + number // USERS) % 10 < 9 if is_after else number % 2
        outcome = "completed" if is_completed else "abandoned"
        model = AFTER if is_after else BEFORE
        sessions.append((key, "alpha", user, "voice", "en", day, 60, 1, outcome, "b1", model))
        turns.append((f"t{number}", key, "alpha", 1, "user", day, 0.9))
        # Both transcribed every user's first turn: of ten words 3 were wrong, then 1 or 2.
        if number < USERS:
            for name, wrong in ((BEFORE, 3), (AFTER, 1 + number % 2)):
                errors.append(("alpha", f"t{number}", name, "basic", wrong, 0, 0, 10 - wrong, 10))
    seeds = made.directory / "seeds"
    write(
        seeds / "sessions.csv",
        "session_id platform user_id channel language started_at duration_seconds turn_count"
        " outcome_raw bot_version asr_model",
        sessions,
    )
    write(
        seeds / "turns.csv",
        "turn_id session_id platform turn_index speaker started_at asr_confidence",
        turns,
    )
    write(seeds / "users.csv", "user_id region", [(f"u{n}", "north") for n in range(USERS)])
    write(
        seeds / "asr_word_errors.csv",
        "platform turn_id asr_model normalizer substitutions deletions insertions hits"
        " reference_words",
        errors,
    )
    made.dbt("seed")
    # Certification is covered by other tests; here the tables only need to exist.
    made.dbt("run", "--select", "+fact_voice_ai_asr_evaluations")
    return made


def compare(project: Consumer, before=BEFORE, after=AFTER, check=True):
    arguments = ("--before", before, "--after", after, "--json", "release.json")
    return project.command("voice-ai", "compare-asr", *arguments, check=check)


def test_what_was_put_into_the_seeds_is_found_and_written_back(project) -> None:
    told = compare(project)
    result = json.loads((project.directory / "release.json").read_text(encoding="utf-8"))
    found = {effect["metric"]: effect for effect in result["effects"] if effect["is_primary"]}
    completion, words = found["completion"], found["word errors"]
    assert (completion["estimate"], completion["verdict"]) == ("adjusted", "improved")
    assert completion["difference"] == pytest.approx(0.9 - 0.5)
    assert (words["estimate"], words["verdict"]) == ("paired", "improved")
    assert words["difference"] == pytest.approx(0.15 - 0.3)
    assert found["transfer"]["verdict"] == "cannot be told"
    assert "completion improved" in " ".join(told.stdout.split())
    rows = project.rows(
        "select metric, verdict, difference from main_voice_ai.voice_ai_asr_release_effects"
        " where is_primary"
    )
    assert {metric: (verdict, difference) for metric, verdict, difference in rows} == {
        metric: (effect["verdict"], effect["difference"]) for metric, effect in found.items()
    }
    checks = project.rows("select count(*) from main_voice_ai.voice_ai_asr_release_checks")
    assert checks == [(len(result["checks"]),)]


def test_a_release_that_is_not_there_is_one_line(project) -> None:
    failed = compare(project, after="asr-22", check=False)
    assert failed.returncode == 2
    assert len(failed.stderr.strip().splitlines()) == 1
    assert "there are asr-1, asr'2; did you mean asr" in failed.stderr


def test_without_evaluations_the_rest_stands(project) -> None:
    project.rows("alter table main_voice_ai.fact_voice_ai_asr_evaluations rename to elsewhere")
    project.rows(
        "create table main_voice_ai.fact_voice_ai_asr_evaluations as"
        " select * from main_voice_ai.elsewhere where reference_words < 0"
    )
    told = " ".join(compare(project).stdout.split())
    assert "completion improved" in told
    assert "neither has a turn with a reference" in told

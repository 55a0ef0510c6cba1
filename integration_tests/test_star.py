"""STAR dialogues through the package: what is certified is what the JSON files say.

The files are counted a second time here, by code that shares nothing with the loader and the SQL.
Both run on the real data, and on a few invented files with every oddity that such data can have.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import real_data
from consumer import ENGINES, REPOSITORY, Consumer

SPEAKERS = {"User": "user", "Wizard": "assistant"}
OUTCOMES = {
    "complete": "completed",
    "disconnectduringquestionnaire": "completed",
    "disconnectduringdialogue": "abandoned",
    "earlydisconnectduringdialogue": "abandoned",
}
# What the package makes of a level that isn't in the project's own seed.
GENERAL_OUTCOMES = {
    row["outcome_raw"]: row["outcome"]
    for row in csv.DictReader(
        (REPOSITORY / "seeds" / "voice_ai_outcomes.csv").read_text().splitlines()
    )
    if row["platform"] == "*"
}


def text(value: object) -> str | None:
    """Return a value as the package keeps it: trimmed text, or None if that is empty."""
    return None if value is None else str(value).strip() or None


def outcome(level: str | None) -> str:
    """Return what a CompletionLevel means."""
    code = (level or "").lower().replace(" ", "_").replace("-", "_")
    return OUTCOMES.get(code) or GENERAL_OUTCOMES.get(code, "unknown")


def instant(event: dict) -> dt.datetime | None:
    """Return an event's time in UTC, or None if it has none in this century."""
    try:
        seconds = float(event.get("UnixTime"))
    except (TypeError, ValueError, OverflowError):
        return None
    if not 1e9 <= seconds <= 4.1e9:
        return None
    return dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)


def count(star: Path) -> tuple[dict[str, dict], dict[str, int]]:
    """Return the certified dialogues, and the turns of the others, counted from the files."""
    certified, quarantined = {}, {}
    for path in (star / "dialogues").glob("*.json"):
        try:
            dialogue = json.loads(path.read_bytes().decode("utf-8-sig"))
            events = [event for event in dialogue["Events"] if isinstance(event, dict)]
        except (ValueError, KeyError, TypeError):
            dialogue, events = {}, []
        turns = [event for event in events if event.get("Action") in ("utter", "pick_suggestion")]
        speakers = Counter(SPEAKERS.get(event.get("Agent")) for event in turns)
        times = [time for event in events if (time := instant(event))]
        if not times:
            quarantined[path.name.removesuffix(".json")] = len(turns)
            continue
        certified[path.name.removesuffix(".json")] = {
            "started_at": min(times),
            "ended_at": max(times),
            "duration_seconds": (max(times) - min(times)).total_seconds(),
            "outcome_raw": text(dialogue.get("CompletionLevel")),
            "outcome": outcome(text(dialogue.get("CompletionLevel"))),
            "turn_count": speakers["user"] + speakers["assistant"],
            "user_turn_count": speakers["user"],
            "assistant_turn_count": speakers["assistant"],
            "user": text(dialogue.get("AnonymizedUserWorkerID")),
            "quarantined_turns": speakers[None],
        }
    return certified, quarantined


def write_oddities(folder: Path) -> Path:
    """Write a few dialogue files, each odd in its own way."""

    def event(agent, action, time=None, **more):
        given = {} if time is None else {"UnixTime": time}
        return {"Agent": agent, "Action": action, **given, **more}

    def dialogue(*events, **more):
        return json.dumps({"AnonymizedUserWorkerID": "ann", "Events": events, **more}).encode()

    said = event("User", "utter", 1600000000, Text="Hi")
    files = {
        # Out of order, times as text and fractions, unknown agents and actions, halves of emoji.
        "1": dialogue(
            event("User", "utter", "1600000060", Text="\ud83d half, nul \0 and naïve 🎧 שלום"),
            event("Wizard", "pick_suggestion", 1600000030.5, Text="'; drop table x; --"),
            event("KnowledgeBase", "return_item"),
            event("Wizard", "utter", None, Text=""),
            event("Martian", "utter", 1600000040, Text="Who is it?"),
            event("Wizard", "wave", 1600000090),
            "not an event",
            {},
            CompletionLevel="Beamed up 🛸",
            DialogueID=1,
        ),
        "2": b'{"Events": [{"Agent": "User", "Acti',
        "3": b"[]",
        "4": b"",
        "5": dialogue(CompletionLevel="Complete"),
        "6": json.dumps({"CompletionLevel": "Complete"}).encode(),
        "7": dialogue(
            *(event("User", "utter", time) for time in [0, -5, 1e300, float("nan"), True, {}, "x"])
        ),
        "8": b"\xef\xbb\xbf" + dialogue(said, AnonymizedUserWorkerID=None, CompletionLevel=None),
        "9": dialogue(said, CompletionLevel=" Timed out "),
        "11": b'{"Events": "caf\xe9"}',
        'it\'s; "10"': dialogue(said, event("User", "complete", 1600000001), CompletionLevel=""),
    }
    (folder / "dialogues").mkdir(parents=True)
    for name, content in files.items():
        (folder / "dialogues" / f"{name}.json").write_bytes(content)
    (folder / "dialogues" / "notes.txt").write_text("not a dialogue")
    return folder


@dataclass
class Built:
    """A project built on some dialogues, and what their files say."""

    consumer: Consumer
    certified: dict[str, dict]
    quarantined: dict[str, int]


@pytest.fixture(scope="module", params=["real", "odd"])
def folder(request, tmp_path_factory):
    if request.param == "real":
        return real_data.folder("star")
    return write_oddities(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module", params=ENGINES)
def star(request, folder, consumer):
    project = consumer("star", request.param)
    real_data.load(project, "star_raw", real_data.star_tables(folder))
    # The package's unit tests read no data; they run in the second build. Most of the odd dialogues
    # are unreadable, which would rightly stop the build.
    excluded = [] if folder.name == "star" else ["--exclude", "assert_most_rows_are_readable"]
    project.dbt("build", "--exclude-resource-type", "unit_test", *excluded)
    return Built(project, *count(folder))


def test_odd_files_are_counted_as_by_hand(tmp_path):
    certified, quarantined = count(write_oddities(tmp_path / "star"))
    first = dt.datetime(2020, 9, 13, 12, 26, 40)  # 1600000000
    assert certified.pop("1") == {
        "started_at": first + dt.timedelta(seconds=30.5),
        "ended_at": first + dt.timedelta(seconds=90),
        "duration_seconds": 59.5,
        "outcome_raw": "Beamed up 🛸",
        "outcome": "unknown",
        "turn_count": 3,
        "user_turn_count": 1,
        "assistant_turn_count": 2,
        "user": "ann",
        "quarantined_turns": 1,
    }
    columns = ["started_at", "user_turn_count", "user", "outcome_raw", "outcome"]
    assert {name: [of[column] for column in columns] for name, of in certified.items()} == {
        "8": [first, 1, None, None, "unknown"],
        "9": [first, 1, "ann", "Timed out", "timed_out"],
        'it\'s; "10"': [first, 1, "ann", None, "unknown"],
    }
    assert quarantined == {"2": 0, "3": 0, "4": 0, "5": 0, "6": 0, "7": 7, "11": 0}


def test_every_dialogue_is_a_session_or_quarantined(star):
    assert real_data.certified_sessions(star.consumer, []).keys() == star.certified.keys()
    quarantined = star.consumer.rows(
        "select session_id, quarantine_reasons"
        " from main_voice_ai_staging.quarantine_voice_ai__sessions"
    )
    assert sorted(quarantined) == sorted((name, "missing_started_at") for name in star.quarantined)


def test_outcomes_turns_and_times_of_each_session_are_those_of_the_files(star):
    columns = ["outcome", "outcome_raw", "turn_count", "user_turn_count", "assistant_turn_count"]
    columns += ["started_at", "ended_at", "duration_seconds"]
    found = real_data.certified_sessions(star.consumer, columns)
    assert real_data.differences(found, star.certified) == {}


def test_each_turn_is_staged_or_quarantined_with_the_reason(star):
    expected = {
        "unknown_speaker": sum(of["quarantined_turns"] for of in star.certified.values()),
        "quarantined_session": sum(star.quarantined.values()),
    }
    quarantined = star.consumer.rows(
        "select quarantine_reasons, count(*)"
        " from main_voice_ai_staging.quarantine_voice_ai__turns group by quarantine_reasons"
    )
    assert dict(quarantined) == {reason: turns for reason, turns in expected.items() if turns}


@pytest.mark.parametrize("folder", ["real"], indirect=True)
def test_metrics_by_day_are_those_of_the_files(star):
    metrics = ["voice_ai_sessions", "voice_ai_users"]
    metrics += ["voice_ai_completion_rate", "voice_ai_handle_time_seconds"]
    found = {
        row["metric_time__day"][:10]: [float(row[metric]) for metric in metrics]
        for row in star.consumer.mf(
            "--metrics", ",".join(metrics), "--group-by", "metric_time__day"
        )
    }
    by_day = {}
    for session in star.certified.values():
        by_day.setdefault(str(session["started_at"].date()), []).append(session)
    assert found.keys() == by_day.keys()
    for day, sessions in by_day.items():
        completed = sum(of["outcome"] == "completed" for of in sessions)
        seconds = sum(of["duration_seconds"] for of in sessions)
        users = len({of["user"] for of in sessions} - {None})
        expected = [len(sessions), users, completed / len(sessions), seconds / len(sessions)]
        assert found[day] == pytest.approx(expected, abs=1e-9), day


def test_no_transcript_is_stored_past_the_raw_tables(star):
    said = "select distinct text as said from star_raw.star_events where length(text) > 20"
    assert real_data.columns_that_hold(star.consumer, said) == []


@pytest.mark.parametrize("folder", ["real"], indirect=True)
def test_a_second_build_changes_nothing(star):
    fact = "select * from main_voice_ai.fact_voice_ai_sessions order by session_key"
    before = star.consumer.rows(fact)
    star.consumer.dbt("build")
    assert star.consumer.rows(fact) == before

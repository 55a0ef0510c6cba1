"""GetGoing calls through the package: what is certified is what the JSON files say.

The files are counted a second time here, by code that shares nothing with the loader and the SQL.
Both run on the real data, and on a few invented calls with every oddity that such data can have.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import real_data
from consumer import ENGINES, Consumer

EASTERN = ZoneInfo("America/New_York")


def read(path: Path) -> dict | None:
    """Return the JSON object in a file, or None if there is none."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def instant(text: object) -> dt.datetime | None:
    """Return an ISO 8601 instant, without its zone; None for anything else."""
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    except (TypeError, ValueError):
        return None


def readings(wall_clock: dt.datetime | None) -> list[dt.datetime]:
    """Return the instants in UTC at which US Eastern clocks show this: one, or two in autumn."""
    if not wall_clock:
        return []
    local = [wall_clock.replace(tzinfo=EASTERN, fold=fold) for fold in (0, 1)]
    return sorted({time.astimezone(dt.UTC).replace(tzinfo=None) for time in local})


def lines(log: dict | None) -> list[str]:
    """Return the lines of a log's history."""
    history = (log or {}).get("history")
    return [str(line) for line in history] if isinstance(history, list) else []


def count(getgoing: Path) -> tuple[dict[str, dict], dict[str, tuple]]:
    """Return the certified calls and (reason, lines) of the others, counted from the files."""
    certified, quarantined = {}, {}
    for folder in filter(Path.is_dir, (getgoing / "logs").iterdir()):
        metadata, log = read(folder / "metadata.json") or {}, read(folder / "log.json")
        came_in = instant(metadata.get("time"))
        starts = readings(instant((log or {}).get("start_time")))
        ends = readings(instant((log or {}).get("end_time")))
        if came_in:
            starts.sort(key=lambda start: abs(start - came_in), reverse=True)
        start = starts[-1] if starts else came_in
        if not start:
            quarantined[folder.name] = ("missing_started_at", len(lines(log)))
            continue
        end = next((end for end in ends if end >= start), ends[-1] if ends else None)
        if end and end < start:
            quarantined[folder.name] = ("ended_before_started", len(lines(log)))
            continue
        system_turns = sum(line.startswith("TTS") for line in lines(log))
        user_turns = sum(line.startswith("USER") for line in lines(log))
        caller = str(metadata.get("number") or "")
        certified[folder.name] = {
            "started_at": start,
            "ended_at": end,
            "duration_seconds": (end - start).total_seconds() if end else None,
            "outcome": "unknown",
            "outcome_raw": "no_log" if log is None else None,
            "turn_count": system_turns + user_turns,
            "user_turn_count": user_turns,
            "assistant_turn_count": system_turns,
            "came_in": came_in,
            # Enciphered with a new salt each time, so callers can't be told apart.
            "caller": None if caller.startswith("U2FsdGVkX1") else caller or None,
            "quarantined_turns": len(lines(log)) - system_turns - user_turns,
        }
    return certified, quarantined


# Several oddities per call; then the certified start, end and turns, or the reason, by hand.
ODD_CALLS = {
    "winter, across midnight": (
        {"number": "a", "time": "2019-12-31T04:59:58.700Z"},
        {
            "start_time": "2019-12-30 23:59:59",
            "end_time": "2019-12-31 00:01:00",
            "history": ["TTS a"],
        },
        ("2019-12-31 04:59:59", "2019-12-31 05:01:00", 1),
    ),
    "clocks go forward": (
        {"number": "a", "time": "2019-03-10T06:59:00.000Z"},
        {"start_time": "2019-03-10 01:59:00", "end_time": "2019-03-10 03:01:00", "history": []},
        ("2019-03-10 06:59:00", "2019-03-10 07:01:00", 0),
    ),
    "first 01:30": (
        {"number": "a", "time": "2019-11-03T05:30:01.000Z"},
        {"start_time": "2019-11-03 01:30:00", "end_time": "2019-11-03 01:35:00", "history": None},
        ("2019-11-03 05:30:00", "2019-11-03 05:35:00", 0),
    ),
    "second 01:30": (
        {"number": "a", "time": "2019-11-03T06:30:01.000Z"},
        {"start_time": "2019-11-03 01:30:00", "end_time": "2019-11-03 01:35:00"},
        ("2019-11-03 06:30:00", "2019-11-03 06:35:00", 0),
    ),
    "clocks go back": (
        {"number": "a", "time": "2019-11-03T05:59:00.000Z"},
        {"start_time": "2019-11-03 01:59:00", "end_time": "2019-11-03 01:01:00"},
        ("2019-11-03 05:59:00", "2019-11-03 06:01:00", 0),
    ),
    "no metadata": (
        None,
        {
            "start_time": "2019-07-04 10:00:00",
            "history": ["TTS \ud83d", "USER naïve \0 🎧", "USER"],
        },
        ("2019-07-04 14:00:00", None, 3),
    ),
    "no log": (
        {"number": None, "time": "2019-07-04T14:00:00.5Z"},
        None,
        ("2019-07-04 14:00:00.5", None, 0),
    ),
    "no start in the log": (
        {"number": "U2FsdGVkX1+b", "time": "2019-07-04T14:00:00.000Z"},
        {"start_time": "", "end_time": "soon", "history": ["USER hello there, is there anyone"]},
        ("2019-07-04 14:00:00", None, 1),
    ),
    "nobody speaks": (
        {"number": "b'; \"", "time": "2019-07-04T14:00:00.000Z"},
        {"start_time": "2019-07-04 10:00:00", "history": ["MUSIC la", "", None, 7, "TTS b"]},
        ("2019-07-04 14:00:00", None, 1),
    ),
    "ends before it starts": (
        {"number": "a", "time": "2019-07-04T14:00:00.000Z"},
        {
            "start_time": "2019-07-04 10:00:00",
            "end_time": "2019-07-04 09:59:59",
            "history": ["TTS a"],
        },
        "ended_before_started",
    ),
    "times that no calendar has": (
        {"number": "a", "time": "2019-02-30T14:00:00.000Z"},
        {"start_time": "2019-13-01 10:00:00", "history": ["TTS a", "USER b"]},
        "missing_started_at",
    ),
    "nothing": (None, None, "missing_started_at"),
}


def write_oddities(folder: Path) -> Path:
    """Write the odd calls, and one whose files cannot be read."""
    for name, (metadata, log, _) in ODD_CALLS.items():
        (folder / "logs" / name).mkdir(parents=True)
        for file, content in [("metadata.json", metadata), ("log.json", log)]:
            if content is not None:
                (folder / "logs" / name / file).write_text(json.dumps(content))
    broken = folder / "logs" / "broken"
    broken.mkdir()
    (broken / "metadata.json").write_bytes(b'{"time": "2019-07-04T14:00')
    (broken / "log.json").write_bytes(b"[\xff]")
    (folder / "logs" / "notes.txt").write_text("not a call")
    return folder


@dataclass
class Built:
    """A project built on some calls, and what their files say."""

    consumer: Consumer
    certified: dict[str, dict]
    quarantined: dict[str, tuple]


@pytest.fixture(scope="module", params=["real", "odd"])
def folder(request, tmp_path_factory):
    if request.param == "real":
        return real_data.folder("getgoing")
    return write_oddities(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module", params=ENGINES)
def getgoing(request, folder, consumer):
    project = consumer("getgoing", request.param)
    real_data.load(project, "getgoing_raw", real_data.getgoing_tables(folder))
    # The package's unit tests read no data; they run in the second build.
    project.dbt("build", "--exclude-resource-type", "unit_test")
    return Built(project, *count(folder))


def test_odd_calls_are_counted_as_by_hand(tmp_path):
    certified, quarantined = count(write_oddities(tmp_path))
    found = {name: reason for name, (reason, _) in quarantined.items()} | {
        name: (of["started_at"], of["ended_at"], of["turn_count"]) for name, of in certified.items()
    }
    assert found.pop("broken") == "missing_started_at"
    assert found == {
        name: expected
        if isinstance(expected, str)
        else (instant(expected[0]), instant(expected[1]), expected[2])
        for name, (_, _, expected) in ODD_CALLS.items()
    }


def test_every_call_folder_is_a_session_or_quarantined(getgoing):
    found = real_data.certified_sessions(getgoing.consumer, [])
    assert found.keys() == getgoing.certified.keys()
    quarantined = getgoing.consumer.rows(
        "select session_id, quarantine_reasons"
        " from main_voice_ai_staging.quarantine_voice_ai__sessions"
    )
    assert dict(quarantined) == {name: reason for name, (reason, _) in getgoing.quarantined.items()}


def test_outcomes_turns_and_times_of_each_session_are_those_of_the_files(getgoing):
    columns = ["outcome", "outcome_raw", "turn_count", "user_turn_count", "assistant_turn_count"]
    columns += ["started_at", "ended_at", "duration_seconds"]
    found = real_data.certified_sessions(getgoing.consumer, columns)
    assert real_data.differences(found, getgoing.certified) == {}


def test_starts_agree_with_the_metadata(getgoing):
    found = real_data.certified_sessions(getgoing.consumer, ["started_at"])
    apart = [
        abs(of["started_at"] - getgoing.certified[name]["came_in"]).total_seconds()
        for name, of in found.items()
        if getgoing.certified[name]["came_in"]
    ]
    # A wrong zone or season is off by an hour or more; one call in a hundred may start slowly.
    assert statistics.median(apart) < 2
    assert sum(seconds > 60 for seconds in apart) <= len(apart) // 100


def test_each_turn_is_staged_or_quarantined_with_the_reason(getgoing):
    expected = {
        "unknown_speaker": sum(of["quarantined_turns"] for of in getgoing.certified.values()),
        "quarantined_session": sum(turns for _, turns in getgoing.quarantined.values()),
    }
    quarantined = getgoing.consumer.rows(
        "select quarantine_reasons, count(*)"
        " from main_voice_ai_staging.quarantine_voice_ai__turns group by quarantine_reasons"
    )
    assert dict(quarantined) == {reason: turns for reason, turns in expected.items() if turns}


@pytest.mark.parametrize("folder", ["real"], indirect=True)
def test_metrics_by_day_are_those_of_the_files(getgoing):
    metrics = ["voice_ai_sessions", "voice_ai_users", "voice_ai_user_turns"]
    found = {
        row["metric_time__day"][:10]: [int(row[metric]) for metric in metrics]
        for row in getgoing.consumer.mf(
            "--metrics", ",".join(metrics), "--group-by", "metric_time__day"
        )
    }
    by_day = {}
    for call in getgoing.certified.values():
        by_day.setdefault(str(call["started_at"].date()), []).append(call)
    assert found == {
        day: [
            len(calls),
            len({of["caller"] for of in calls} - {None}),
            sum(of["user_turn_count"] for of in calls),
        ]
        for day, calls in by_day.items()
    }


def test_no_transcript_is_stored_past_the_raw_tables(getgoing):
    said = "select distinct line as said from getgoing_raw.getgoing_history where length(line) > 20"
    assert real_data.columns_that_hold(getgoing.consumer, said) == []


@pytest.mark.parametrize("folder", ["real"], indirect=True)
def test_a_second_build_changes_nothing(getgoing):
    fact = "select * from main_voice_ai.fact_voice_ai_sessions order by session_key"
    before = getgoing.consumer.rows(fact)
    getgoing.consumer.dbt("build")
    assert getgoing.consumer.rows(fact) == before

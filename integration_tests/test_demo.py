"""The whole job in one command: on simulated, unfamiliar, empty and missing files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.load import RAW_TABLES
from voice_ai_analytics.simulate import simulate

BROKEN_TURNS = {
    "unknown_speaker": [{"speaker": "parrot"}],
    "unknown_session": [{"session_id": "nowhere"}],
    "ended_before_started": [{"turn_duration_sec": "-3"}],
    # Too large for any engine's interval: it may cost this turn, but not the build.
    "unreadable_ended_at": [{"turn_duration_sec": "1e30"}],
    "missing_turn_id": [{"turn_id": ""}],
    "quarantined_session": [{"session_id": "broken1"}],
}
BROKEN_SESSIONS = {
    "missing_session_id": [{"session_id": ""}],
    "unreadable_started_at": [{"created_at": "yesterday"}, {"created_at": "2025-02-30"}],
    "duplicate": [{"session_id": '1; drop table "x"\'', "user_id": ""}],
}
IMPOSSIBLE_TURNS = {
    "impossible_asr_confidence": [{"asr_confidence": text} for text in ("1.7", "-0.1", "high")]
}
IMPOSSIBLE_SESSIONS = {
    "impossible_duration_seconds": [{"total_duration_sec": text} for text in ("-5", "1e30")]
}
MODEL_KEYS = {
    "verdict",
    "strongest_predictor",
    "n_sessions",
    "n_events",
    "n_users",
    "excluded",
    "coefficients",
    "likelihood_ratio_p_value",
    "auc",
    "calibration",
}


def run_demo(output: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "voice_ai_analytics.cli", "demo", "--output", str(output)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True)


def write(raw: Path, tables: dict[str, list[dict]]) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    for table, columns in RAW_TABLES.items():
        with (raw / f"{table}.csv").open("w", newline="", encoding="utf-8-sig") as stream:
            writer = csv.DictWriter(stream, [*columns, "our_own_column"], restval="")
            writer.writeheader()
            writer.writerows(tables.get(table, []))


def strangers_tables() -> dict[str, list[dict]]:
    """Write 300 sessions that name everything unlike the simulation; every tenth has no turns."""
    sessions, turns = [], []
    for number in range(300):
        day = f"2025-03-{1 + number % 28:02}"
        session = {
            "session_id": f'{number}; drop table "x"\'',
            "user_id": f"u{number % 70}",
            "channel": ["Phone", "WEB", "kiosk"][number % 3],
            "language": ["English", "hi_in", ""][number % 3],
            "total_duration_sec": str(number),
            "total_turns": "9",
            "final_outcome": ["Completed", "ABANDONED", "transferred", "gave up"][number % 4],
            "created_at": day if number % 5 else f"{day} 10:00:00+05:30",
        }
        sessions.append(session)
        for index in range(0 if number % 10 == 0 else 3):
            turns.append(
                {
                    "turn_id": f"t{number}-{index}",
                    "session_id": session["session_id"],
                    "turn_number": "1",
                    "speaker": ["User", "BOT", "caller"][index],
                    "asr_confidence": str(0.5 + number % 40 / 100),
                    "error_type": ["", "Silence", "something new"][number % 3],
                    "turn_duration_sec": "2.5",
                    "created_at": day,
                }
            )
    good_turn = turns[-1]
    for number, changes in enumerate(c for group in BROKEN_TURNS.values() for c in group):
        turns.append(good_turn | {"turn_id": f"broken{number}"} | changes)
    for number, changes in enumerate(c for group in BROKEN_SESSIONS.values() for c in group):
        sessions.append(sessions[0] | {"session_id": f"broken{number}"} | changes)
    for number, changes in enumerate(c for group in IMPOSSIBLE_TURNS.values() for c in group):
        turns.append(good_turn | {"turn_id": f"impossible{number}"} | changes)
    for number, changes in enumerate(c for group in IMPOSSIBLE_SESSIONS.values() for c in group):
        sessions[10 + number] |= changes
    users = [{"user_id": f"u{n}", "region": "Rural", "disability_flag": "No"} for n in range(70)]
    return {"users": users, "voice_sessions": sessions, "voice_turns": turns}


def certified(output: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(output / "voice_ai.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    output = tmp_path_factory.mktemp("stranger")
    write(output / "files", strangers_tables())
    return output, run_demo(output, "--raw", str(output / "files"))


def test_a_strangers_files_run_without_a_truth(stranger) -> None:
    output, result = stranger
    assert result.returncode == 0, result.stdout + result.stderr
    model = json.loads((output / "abandonment_model.json").read_text(encoding="utf-8"))
    assert model["verdict"] in " ".join(result.stdout.split())
    assert model.keys() >= MODEL_KEYS
    assert (output / "report.html").stat().st_size > 10_000


def test_a_strangers_sessions_are_all_there_with_and_without_turns(stranger) -> None:
    output, _ = stranger
    assert certified(
        output,
        """
        select
            count(*),
            count(*) filter (turn_count = 0),
            sum(turn_count),
            count(*) filter (channel = 'voice' and language = 'en'),
            count(*) filter (language = 'hi-IN'),
            count(*) filter (outcome = 'unknown' and outcome_raw = 'gave up')
        from demo_voice_ai.fact_voice_ai_sessions
        """,
    ) == [(300, 30, 813, 100, 100, 75)]


def test_each_planted_row_or_value_is_quarantined_with_its_reason(stranger) -> None:
    output, _ = stranger
    found = certified(
        output,
        "select table_name, reason, quarantined_rows"
        " from demo_voice_ai.voice_ai_quarantine_reasons",
    )
    planted = [("turns", reason, len(rows)) for reason, rows in BROKEN_TURNS.items()]
    planted += [("turns", reason, len(rows)) for reason, rows in IMPOSSIBLE_TURNS.items()]
    of_sessions = BROKEN_SESSIONS | IMPOSSIBLE_SESSIONS
    planted += [("sessions", reason, len(rows)) for reason, rows in of_sessions.items()]
    assert sorted(found) == sorted(planted)


def test_a_second_run_on_the_same_files_changes_nothing(stranger) -> None:
    output, _ = stranger
    everything = (
        "select * from demo_voice_ai.fact_voice_ai_sessions order by session_key",
        "select session_key, dbt_valid_from from demo_voice_ai.voice_ai_session_outcomes"
        " order by session_key",
    )
    before = [certified(output, query) for query in everything]
    model = (output / "abandonment_model.json").read_bytes()
    result = run_demo(output, "--raw", str(output / "files"))
    assert "nothing to do" in result.stdout
    assert [certified(output, query) for query in everything] == before
    assert (output / "abandonment_model.json").read_bytes() == model


def test_files_of_headers_only_end_without_a_traceback(tmp_path) -> None:
    write(tmp_path / "files", {})
    result = run_demo(tmp_path, "--raw", str(tmp_path / "files"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no evidence" in " ".join(result.stdout.lower().split())
    assert (tmp_path / "report.html").is_file()


def test_a_missing_file_is_one_line_and_nothing_is_loaded(tmp_path) -> None:
    write(tmp_path / "files", {})
    (tmp_path / "files" / "users.csv").unlink()
    result = run_demo(tmp_path, "--raw", str(tmp_path / "files"))
    assert result.returncode == 2
    assert "users.csv" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> tuple[Path, dict]:
    raw = tmp_path_factory.mktemp("simulated")
    return raw, simulate(raw, 2000, 3, repeats_turn_ids=True)


@pytest.mark.parametrize("target", ["duckdb", "postgres"])
def test_simulated_truth_is_what_is_certified(simulated, postgres_database, target, tmp_path):
    raw, truth = simulated
    environment = postgres_database() if target == "postgres" else {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        result = run_demo(tmp_path, "--raw", str(raw), "--target", target)
        assert result.returncode == 0, result.stdout + result.stderr
        patch.setenv("VOICE_AI_TARGET", target)
        patch.setenv("VOICE_AI_DUCKDB_PATH", str(tmp_path / "voice_ai.duckdb"))
        told = subprocess.run(
            [
                str(Path(sys.executable).parent / "mf"),
                "query",
                "--metrics",
                "voice_ai_sessions,voice_ai_turns,voice_ai_completion_rate,voice_ai_abandonment_rate,"
                "voice_ai_transfer_rate,voice_ai_asr_confidence,voice_ai_word_error_rate",
                "--csv",
                str(tmp_path / "metrics.csv"),
            ],
            cwd=DbtProject(tmp_path / "project").directory,
            capture_output=True,
            text=True,
        )
    assert told.returncode == 0, told.stdout
    (row,) = csv.DictReader((tmp_path / "metrics.csv").open(encoding="utf-8"))
    assert int(row["voice_ai_sessions"]) == truth["counts"]["sessions"]
    assert int(row["voice_ai_turns"]) == truth["counts"]["turns"]
    rates = truth["rates"]
    told = json.loads((tmp_path / "asr_evaluation.json").read_text(encoding="utf-8"))
    evaluation = told["overall"]
    for metric, expected in {
        "voice_ai_completion_rate": rates["completion"],
        "voice_ai_abandonment_rate": rates["abandonment"],
        "voice_ai_transfer_rate": rates["transfer"],
        "voice_ai_asr_confidence": rates["asr_confidence"],
        "voice_ai_word_error_rate": evaluation["errors"] / evaluation["reference_words"],
    }.items():
        assert float(row[metric]) == pytest.approx(expected, abs=1e-9)


def test_model_and_report_from_another_directory(stranger, tmp_path) -> None:
    output, _ = stranger
    voice_ai = [sys.executable, "-m", "voice_ai_analytics.cli"]
    project = ["--project-dir", str(output / "project")]
    for command, name in (("fit-abandonment", "model.json"), ("report", "report.html")):
        result = subprocess.run(
            [*voice_ai, command, *project, "--output", name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in result.stderr
        assert (tmp_path / name).is_file(), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "report.html"]

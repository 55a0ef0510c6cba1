"""The naive roll-up in pandas: `naive_pandas.py DIRECTORY` reads and writes Parquet there."""

import sys
from pathlib import Path

import pandas as pd

directory = Path(sys.argv[1])
sessions = pd.read_parquet(directory / "sessions.parquet")
users = pd.read_parquet(directory / "users.parquet").drop(columns="loaded_at")
turns = pd.read_parquet(
    directory / "turns.parquet",
    columns=[
        "session_id",
        "speaker",
        "asr_confidence",
        "intent_confidence",
        "error_type",
        "is_interruption",
    ],
)

by_user = turns["speaker"] == "user"
marks = pd.DataFrame(
    {
        "session_id": turns["session_id"],
        "user_turn_count": by_user,
        "assistant_turn_count": turns["speaker"] == "assistant",
        "system_turn_count": turns["speaker"] == "system",
        "error_turn_count": turns["error_type"].notna(),
        "misunderstanding_turn_count": turns["error_type"] == "misunderstanding",
        "no_input_turn_count": turns["error_type"] == "no_input",
        "noise_turn_count": turns["error_type"] == "noise",
        "no_match_turn_count": turns["error_type"] == "no_match",
        "repeat_turn_count": turns["error_type"] == "repeat",
        "asr_confidence_sum": turns["asr_confidence"].where(by_user),
        "asr_confidence_count": turns["asr_confidence"].notna() & by_user,
        "intent_confidence_sum": turns["intent_confidence"],
        "intent_confidence_count": turns["intent_confidence"].notna(),
        "interruption_turn_count": turns["is_interruption"].fillna(False).astype(bool),
        "counted_turns": 1,
    }
)
rolled_up = marks.groupby("session_id", sort=False).sum(min_count=1)

naive = sessions.merge(rolled_up, how="left", on="session_id").merge(
    users, how="left", on="user_id"
)
naive.to_parquet(directory / "naive_pandas.parquet")

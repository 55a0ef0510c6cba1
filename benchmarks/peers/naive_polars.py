"""The naive roll-up in Polars: `naive_polars.py DIRECTORY` reads and writes Parquet there."""

import sys
from pathlib import Path

import polars as pl

directory = Path(sys.argv[1])
sessions = pl.scan_parquet(directory / "sessions.parquet")
users = pl.scan_parquet(directory / "users.parquet").drop("loaded_at")

speaker, error = pl.col("speaker"), pl.col("error_type")
heard = pl.col("asr_confidence").filter(speaker == "user")
rolled_up = (
    pl.scan_parquet(directory / "turns.parquet")
    .group_by("session_id")
    .agg(
        pl.len().alias("counted_turns"),
        *(
            (speaker == who).sum().alias(f"{who}_turn_count")
            for who in ("user", "assistant", "system")
        ),
        error.count().alias("error_turn_count"),
        *(
            (error == kind).sum().alias(f"{kind}_turn_count")
            for kind in ("misunderstanding", "no_input", "noise", "no_match", "repeat")
        ),
        heard.sum().alias("asr_confidence_sum"),
        heard.count().alias("asr_confidence_count"),
        pl.col("intent_confidence").sum().alias("intent_confidence_sum"),
        pl.col("intent_confidence").count().alias("intent_confidence_count"),
        pl.col("is_interruption").sum().alias("interruption_turn_count"),
    )
)

(
    sessions.join(rolled_up, on="session_id", how="left")
    .join(users, on="user_id", how="left")
    .collect(engine="streaming")
    .write_parquet(directory / "naive_polars.parquet")
)

"""The sessions that an abandonment model uses, and why it leaves others out."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from voice_ai_analytics.abandonment.design import Design
from voice_ai_analytics.statistics.intervals import effective_number, user_clusters

KEYS = ("session_key", "user_key", "outcome", "is_eligible", "opening_user_turns")
ENDS = ("completed", "abandoned", "transferred")
AFTER_THE_FACT = ("duration_seconds", "turn_count", "user_turn_count")


class Declined(Exception):
    """Nothing can be estimated; the message is the reason, for the verdict."""


@dataclass
class Sample:
    """The sessions still in the model, why others were left out, and the terms that remain."""

    sessions: pd.DataFrame
    excluded: dict[str, int]
    design: Design = field(default_factory=Design)
    separation: list[dict] = field(default_factory=list)
    firth: list[dict] = field(default_factory=list)

    @property
    def outcome(self) -> np.ndarray:
        """Return 1.0 for abandoned, 0.0 for completed sessions."""
        return (self.sessions["outcome"] == "abandoned").to_numpy(dtype=float)

    @property
    def clusters(self) -> np.ndarray:
        """Return the number of each session's user; a session without one is its own."""
        return user_clusters(self.sessions["user_key"])

    def leave_out(self, rows_by_reason: dict[str, np.ndarray]) -> None:
        """Remove sessions, each counted under the first of its reasons."""
        gone = np.zeros(len(self.sessions), dtype=bool)
        for reason, rows in rows_by_reason.items():
            self.excluded[reason] = self.excluded.get(reason, 0) + int((rows & ~gone).sum())
            gone |= rows
        self.sessions = self.sessions[~gone].reset_index(drop=True)


def effective_clusters(clusters: np.ndarray) -> float:
    """Return the effective number of users, which a few heavy users make small."""
    return effective_number(np.bincount(clusters))


def features_of(frame: pd.DataFrame, include_after_the_fact: bool) -> list[str]:
    """Return the columns that are features, in their order."""
    left_out = KEYS if include_after_the_fact else (*KEYS, *AFTER_THE_FACT)
    return [column for column in frame if column not in left_out]


def eligible(frame: pd.DataFrame) -> pd.Series:
    """Return for each session whether it is known to be eligible."""
    return frame["is_eligible"].eq(True).fillna(False).astype(bool)


def modelled_sessions(
    frame: pd.DataFrame, k: int, ends: tuple[str, ...] = ("completed", "abandoned")
) -> tuple[pd.DataFrame, dict, list[str]]:
    """Return the eligible sessions that ended so, the counts of others by reason, and notes."""
    reason = frame["outcome"].astype("object").where(frame["outcome"].notna(), "unknown")
    reason = reason.replace({"unknown": "outcome unknown"})
    in_target = reason.isin(ends)
    reason = reason.mask(in_target & ~eligible(frame), "not eligible")
    keep = in_target & eligible(frame)
    excluded = {"transferred": 0} | reason[~keep].value_counts().sort_index().to_dict()
    notes = []
    if "transferred" not in ends:
        notes = [
            f"{excluded['transferred']:,} transferred sessions are neither completed nor abandoned,"
            " so they are left out."
        ]
    sessions = frame[keep].reset_index(drop=True)
    if "opening_user_turns" in sessions and (sessions["opening_user_turns"] > 0).any():
        silent = sessions["opening_user_turns"].fillna(0) == 0
        if silent.any():
            excluded["no user turns"] = int(silent.sum())
            abandoned = int((sessions["outcome"][silent] == "abandoned").sum())
            notes.append(
                f"{silent.sum():,} sessions without a user turn have no opening and are left out; "
                f"{abandoned:,} of them were abandoned."
            )
        sessions = sessions[~silent].reset_index(drop=True)
        short = int((sessions["opening_user_turns"] < k).sum())
        if short:
            notes.append(
                f"{short:,} of {len(sessions):,} sessions ended before user turn {k}: "
                "their opening is the user turns they had."
            )
    return sessions, {name: int(count) for name, count in excluded.items()}, notes

"""What `voice-ai segment` finds: gaps between cohorts, and segments of sessions that hold."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from voice_ai_analytics.asr.calibration import warning
from voice_ai_analytics.segments.discovery import NOTHING, find_segments
from voice_ai_analytics.segments.gaps import (
    COUNTS,
    ESTIMATES,
    NUMBERS,
    compare_cohorts,
)
from voice_ai_analytics.segments.text import gap_verdict, render, segment_verdict

__all__ = ["RESULTS", "Segmentation", "render", "segment"]

RESULTS = ("voice_ai_cohort_gaps", "voice_ai_found_segments", "voice_ai_segmentation")
GAPS = ("dimension", "level", "reference", "measure", *NUMBERS, "suppressed", "declined")
SEGMENTS = ("segment", "rule", "measure", *ESTIMATES, *COUNTS)
TEXTS = ("dimension", "level", "reference", "measure", "suppressed", "declined", "rule")
NO_TURNS = (
    "segments are made of a session's first turns; set the var voice_ai_fact_turns to true and run"
    " dbt build"
)


@dataclass(frozen=True)
class Segmentation:
    """Gaps between cohorts, and segments of sessions that hold.

    Parameters
    ----------
    sessions, users : int
        All certified sessions, and the users that they name.
    gaps : list of dict
        From `compare_cohorts`.
    found : dict
        From `find_segments`.
    notes : list of str
        What a reader has to know.
    seed : int
        Of the split of users.
    """

    sessions: int
    users: int
    gaps: list[dict]
    found: dict
    notes: list[str]
    seed: int

    @property
    def exit_code(self) -> int:
        """0, or 3 where no gap can be judged and no segment was looked for."""
        judged = any(row["q_value"] is not None for row in self.gaps)
        return 0 if judged or not self.found["declined"] else 3

    @property
    def verdicts(self) -> dict[str, str]:
        """What can be said of cohorts, and of segments, in half a sentence each."""
        return {
            "cohort_gaps": gap_verdict(self.gaps, self.sessions, self.users),
            "found_segments": segment_verdict(self.found),
        }

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return "; ".join(self.verdicts.values()) + "."

    def to_json(self) -> dict:
        """Give the result as JSON has it; what is not claimed is null."""
        return {
            "verdict": self.verdict,
            "sessions": self.sessions,
            "users": self.users,
            "cohort_gaps": self.gaps,
            "found_segments": self.found,
            "notes": self.notes,
            "seed": self.seed,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the result as tables, by name; the last has one row, on how the others came about.

        Returns
        -------
        dict of str to pandas.DataFrame
            `voice_ai_cohort_gaps`, one row a comparison and measure; `voice_ai_found_segments`, one
            row a segment that holds; `voice_ai_segmentation`, whose notes are JSON text.
        """
        search = {name: value for name, value in self.found.items() if name != "segments"}
        about = {f"{name}_verdict": text for name, text in self.verdicts.items()}
        about |= {"sessions": self.sessions, "users": self.users} | search | {"seed": self.seed}
        about |= {"notes": json.dumps(self.notes, ensure_ascii=False)}
        about |= {"computed_at": datetime.now(UTC).isoformat(timespec="seconds")}
        tables = (
            _table(self.gaps, GAPS),
            _table(self.found["segments"], SEGMENTS),
            pd.DataFrame([about]),
        )
        return dict(zip(RESULTS, tables, strict=True))


def _table(rows: list[dict], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(
        {name: object if name in TEXTS else float for name in columns}
    )


def segment(
    sessions: pd.DataFrame, openings: pd.DataFrame | None, min_cohort_size: int, seed: int = 0
) -> Segmentation:
    """Compare cohorts, and find segments of sessions that hold on users the search did not see.

    Parameters
    ----------
    sessions : pandas.DataFrame
        One row a session, as `sessions_query` gives it.
    openings : pandas.DataFrame or None
        As `openings_query` gives it; None where there are no certified turns.
    min_cohort_size : int
        Cohorts and segments of fewer users are not shown.
    seed : int
        Of the split of users.

    Returns
    -------
    Segmentation
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    gaps, notes = compare_cohorts(sessions, min_cohort_size)
    compared = [row for row in gaps if row["level"] is not None]
    for key, told in (("suppressed", ""), ("declined", "no interval and no verdict: ")):
        reasons = Counter(row[key] for row in compared if row[key])
        notes += [
            f"Comparisons, {n:,} of {len(compared):,}: {told}{why}." for why, n in reasons.items()
        ]
    found = NOTHING | {"declined": NO_TURNS}
    if openings is not None:
        found = find_segments(sessions, openings, min_cohort_size, seed)
    users = sessions["user_key"].nunique()
    if alone := int(sessions["user_key"].isna().sum()):
        notes.append(
            f"{alone:,} sessions name no user: each counts as a user of its own, so intervals are"
            " too narrow if such users come back."
        )
    if any("ASR confidence" in one["rule"] for one in found["segments"]):
        notes += filter(None, [warning(sessions["asr_model"].dropna().unique())])
    return Segmentation(len(sessions), users, gaps, found, notes, seed)

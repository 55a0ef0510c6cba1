"""Gaps between cohorts and segments as they are kept: JSON and warehouse tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from voice_ai_analytics.segments.gaps import COUNTS, ESTIMATES, NUMBERS
from voice_ai_analytics.segments.words import gap_verdict, segment_verdict

RESULTS = ("voice_ai_cohort_gaps", "voice_ai_found_segments", "voice_ai_segmentation")
GAPS = ("dimension", "level", "reference", "measure", *NUMBERS, "suppressed", "declined")
SEGMENTS = ("segment", "rule", "measure", *ESTIMATES, *COUNTS)
TEXTS = ("dimension", "level", "reference", "measure", "suppressed", "declined", "rule")


@dataclass(frozen=True)
class Segmentation:
    """Gaps between cohorts, and segments of sessions that hold.

    Parameters
    ----------
    sessions, users : int
        All certified sessions and their known users.
    gaps : list of dict
        From `compare_cohorts`.
    found : dict
        From `find_segments`.
    notes : list of str
        What a reader needs to know.
    seed : int
        Random seed for splitting users in two.
    """

    sessions: int
    users: int
    gaps: list[dict]
    found: dict
    notes: list[str]
    seed: int

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where no gap can be judged and no segment was looked for."""
        judged = any(row["q_value"] is not None for row in self.gaps)
        return 0 if judged or not self.found["declined"] else 3

    @property
    def verdicts(self) -> dict[str, str]:
        """Return half a sentence on cohorts and half a sentence on segments."""
        return {
            "cohort_gaps": gap_verdict(self.gaps, self.sessions, self.users),
            "found_segments": segment_verdict(self.found),
        }

    @property
    def verdict(self) -> str:
        """Return the finding in one sentence."""
        return "; ".join(self.verdicts.values()) + "."

    def to_json(self) -> dict:
        """Return the result as plain JSON values; what isn't claimed is None."""
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
        """Return the result as warehouse tables, by name.

        Returns
        -------
        dict of str to pandas.DataFrame
            `voice_ai_cohort_gaps`, one row per comparison and measure; `voice_ai_found_segments`,
            one row per segment that holds; `voice_ai_segmentation`, one row on how they were found,
            with notes as JSON text.
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

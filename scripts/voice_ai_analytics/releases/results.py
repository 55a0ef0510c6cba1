"""A comparison of two ASR releases as it is kept: JSON and warehouse tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from voice_ai_analytics.releases.words import verdict_sentence

EFFECTS, CHECKS = "voice_ai_asr_release_effects", "voice_ai_asr_release_checks"
RESULTS = (EFFECTS, CHECKS)
COUNTS = tuple(f"{n}_{arm}" for n in ("n", "sessions", "users") for arm in ("before", "after"))
NUMBERS = ("rate_before", "rate_after", "difference", "std_error", "ci_low", "ci_high", "p_value")
NUMBERS += ("q_value", "primary_q_value", "clusters", "effective_clusters", "autocorrelation")
NUMBERS += COUNTS
EFFECT_COLUMNS = ("before", "after", "metric", "estimate", "is_primary", "verdict", "unit")
EFFECT_COLUMNS += ("more_is_better", *NUMBERS, "clustered_by", "assumes", "declined", "compared_at")
CHECK_NUMBERS = ("value", "ci_low", "ci_high", "p_value", "n")
CHECK_COLUMNS = ("before", "after", "check", "metric", "result", *CHECK_NUMBERS, "told")
CHECK_COLUMNS += ("compared_at",)


@dataclass(frozen=True)
class ReleaseComparison:
    """What changed from one ASR release to another.

    Parameters
    ----------
    before, after : str
        The releases.
    sessions : dict of str to int
        Sessions of each.
    effects : list of dict
        One per metric and estimate: `difference` (later minus earlier release, a share of `unit`)
        with its interval, p and q, the counts behind it, and what it assumes. `declined` says why
        there is none, or why it can't be trusted. The primary one of each metric has the
        `verdict`: improved, worsened, no evidence, cannot be told.
    checks : list of dict
        Checks of assumptions; `result` is passed, failed, or empty for a measurement.
    notes : list of str
        What a reader needs to know.
    """

    before: str
    after: str
    sessions: dict[str, int]
    effects: list[dict]
    checks: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where nothing could be estimated with an interval."""
        return 0 if any(effect["ci_low"] is not None for effect in self.effects) else 3

    @property
    def primary(self) -> list[dict]:
        """Return the effect that each metric's verdict rests on."""
        return [effect for effect in self.effects if effect["is_primary"]]

    @property
    def verdict(self) -> str:
        """Return the finding in one sentence."""
        return verdict_sentence(self.before, self.after, self.primary)

    def to_json(self) -> dict:
        """Return the result as plain JSON values."""
        return {
            "verdict": self.verdict,
            "before": self.before,
            "after": self.after,
            "sessions": self.sessions,
            "effects": self.effects,
            "checks": self.checks,
            "notes": self.notes,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the result as warehouse tables, by name."""
        common = {"before": self.before, "after": self.after}
        common["compared_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        frames = []
        for rows, columns in ((self.effects, EFFECT_COLUMNS), (self.checks, CHECK_COLUMNS)):
            frames.append(pd.DataFrame([common | row for row in rows], columns=list(columns)))
        return {name: _typed(frame) for name, frame in zip(RESULTS, frames, strict=True)}


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the types it has when nothing is null: a column of nulls has none."""
    types = dict.fromkeys((*NUMBERS, *CHECK_NUMBERS), float)
    types |= dict.fromkeys(("is_primary", "more_is_better"), bool)
    return table.astype({name: types.get(name, object) for name in table})

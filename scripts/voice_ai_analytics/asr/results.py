"""The result of `voice-ai evaluate-asr`, as JSON and as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from voice_ai_analytics.asr.words import nothing_sentence, rate_sentence

DIMENSIONS = ("language", "asr_model", "channel", "region")
DIMENSIONS += ("has_disability", "is_first_time_digital_user")
NOT_A_NUMBER = ("by", *DIMENSIONS, "unit", "normalizer", "cluster", "interval", "suppressed")
RESULTS = ("voice_ai_asr_error_rates", "voice_ai_asr_calibration", "voice_ai_asr_reliability")
CALIBRATION = ["language", "asr_model", "expected_calibration_error", "ci_low", "ci_high"]
CALIBRATION += ["p_value", "gap", "gap_ci_low", "gap_ci_high", "confidence", "correctness"]
CALIBRATION += ["words", "clusters", "declined"]
RELIABILITY = ["language", "asr_model", "bin_low", "bin_high", "words", "confidence"]
RELIABILITY += ["correctness", "ci_low", "ci_high"]
TEXTS = (*NOT_A_NUMBER, "grouped_by", "declined", "evaluated_at")


@dataclass(frozen=True)
class AsrEvaluation:
    """Word error rates and calibration of an evaluation.

    Parameters
    ----------
    normalizer : str
        How all texts were normalized first.
    overall : dict
        `word_error_rate`, `ci_low`, `ci_high`, `errors`, `reference_words`, `turns`,
        `normalizer`, `unit`, and the counts behind them.
    groups : list of dict
        The same for each group, with `by` and the dimensions that it names; `suppressed` says why
        its numbers are null.
    calibration : list of dict
        From `calibrate`, one per language and ASR model.
    excluded : dict of str to int
        References left out, by reason.
    empty_references : dict of str to int
        Turns with an empty reference, and the words recognized in them.
    notes : list of str
        What a reader has to know.
    """

    normalizer: str
    overall: dict
    groups: list[dict] = field(default_factory=list)
    calibration: list[dict] = field(default_factory=list)
    excluded: dict[str, int] = field(default_factory=dict)
    empty_references: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where there is nothing to estimate."""
        return 0 if self.overall["reference_words"] else 3

    @property
    def verdict(self) -> str:
        """Return the result in one sentence."""
        if self.overall["reference_words"]:
            return rate_sentence(self.overall)
        return nothing_sentence(self.excluded, self.empty_references)

    def to_json(self) -> dict:
        """Return the result as plain JSON values."""
        return {
            "verdict": self.verdict,
            "overall": self.overall,
            "groups": self.groups,
            "calibration": self.calibration,
            "excluded": self.excluded,
            "empty_references": self.empty_references,
            "notes": self.notes,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the result as warehouse tables, by name; none where nothing was estimated."""
        if self.exit_code:
            return {}
        when = {"evaluated_at": datetime.now(UTC).isoformat(timespec="seconds")}
        rates = [{"grouped_by": "overall"} | self.overall | when]
        rates += [{"grouped_by": ", ".join(group["by"])} | group | when for group in self.groups]
        columns = ["grouped_by", *DIMENSIONS, *self.overall, *when]
        curves = [
            {name: one[name] for name in ("language", "asr_model")} | point
            for one in self.calibration
            for point in one["curve"]
        ]
        summary = [{k: v for k, v in one.items() if k != "curve"} for one in self.calibration]
        tables = (rates, columns), (summary, CALIBRATION), (curves, RELIABILITY)
        return {name: _table(*table) for name, table in zip(RESULTS, tables, strict=True)}


def _table(rows: list[dict], columns: list[str]) -> pd.DataFrame:
    return numbers_as_floats(pd.DataFrame(rows, columns=columns))


def numbers_as_floats(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its proper types, which a column of nulls alone wouldn't have."""
    return table.astype({name: object if name in TEXTS else float for name in table})

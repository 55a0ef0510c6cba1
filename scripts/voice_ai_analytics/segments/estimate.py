"""What `voice-ai segment` estimates: gaps between cohorts, and segments of sessions that hold."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr.calibration import warning
from voice_ai_analytics.rates import rate_columns
from voice_ai_analytics.segments.discovery import NOTHING, OPENING, find_segments
from voice_ai_analytics.segments.frame import openings_query, sessions_query
from voice_ai_analytics.segments.gaps import MEASURES, compare_cohorts
from voice_ai_analytics.segments.results import Segmentation

NO_TURNS = (
    "segments need the first turns of sessions; set the var voice_ai_fact_turns to true and run"
    " dbt build"
)


def estimate(source: Source, seed: int = 0) -> Segmentation:
    """Return gaps and segments of certified sessions.

    Parameters
    ----------
    source : Source
        Segments need the var ``voice_ai_fact_turns``. Turns are always the current ones.
    seed : int
        As for `segment`.

    Returns
    -------
    Segmentation
    """
    rates = rate_columns(source.project.semantics, MEASURES)
    sessions = source.warehouse.query(sessions_query(source.sessions, rates))
    openings = None
    if source.relation("fact_voice_ai_turns"):
        openings = source.warehouse.query(openings_query(source.turns, OPENING))
    return segment(sessions, openings, source.min_cohort_size, seed)


def segment(
    sessions: pd.DataFrame, openings: pd.DataFrame | None, min_cohort_size: int, seed: int = 0
) -> Segmentation:
    """Return gaps between cohorts, and segments that hold on users the search didn't see.

    Parameters
    ----------
    sessions : pandas.DataFrame
        One row per session, from `sessions_query`.
    openings : pandas.DataFrame or None
        From `openings_query`; None where there are no certified turns.
    min_cohort_size : int
        Cohorts and segments with fewer users aren't shown.
    seed : int
        Random seed for splitting users in two.

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
            f"{alone:,} sessions have no known user: each counts as its own user, so intervals are"
            " too narrow if these users come back."
        )
    if any("ASR confidence" in one["rule"] for one in found["segments"]):
        notes += filter(None, [warning(sessions["asr_model"].dropna().unique())])
    return Segmentation(len(sessions), users, gaps, found, notes, seed)

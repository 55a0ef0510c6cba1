"""The section on cohorts and segments, from the tables of `voice-ai segment`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.plain import records
from voice_ai_analytics.rates import COMPLETION
from voice_ai_analytics.report.figures import (
    MAX_ROWS,
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.segments.gaps import LEVEL
from voice_ai_analytics.segments.results import RESULTS
from voice_ai_analytics.segments.words import NAMES, label
from voice_ai_analytics.wording import (
    count,
    percent,
    points,
    probability,
    shorten,
    span,
    tick_points,
)

TABLES = RESULTS
NOT_YET = "Cohorts have not been compared yet, nor segments searched: run voice-ai segment."


def plots(tables: dict[str, pd.DataFrame] | None) -> list[Plot]:
    """Return gaps in completion between cohorts, and of segments that hold."""
    if not tables:
        return []
    gaps, segments, _ = (records(tables[name]) for name in TABLES)
    name, question = "segments", "For whom, and after what opening, is completion different?"
    columns = ("Compared", "Rate", "Points", "95% interval", "q", "Adjusted", "Group", "With")
    named = [one | {"label": f"Segment {one['segment']:.0f}"} for one in segments]
    compared = [one | {"label": label(one)} for one in gaps if one["level"] is not None]
    rows = [_cells(one) for one in named + compared]
    of_completion = [one for one in compared if one["measure"] == COMPLETION.metric]
    chosen = named + of_completion
    marks = [_mark(one) for one in chosen[:MAX_ROWS]]
    ends = [end for mark in marks for end in (mark.estimate, mark.low, mark.high)]
    ends = [end for end in ends if np.isfinite(end)]
    if not ends:
        return [Plot(name, question, None, "No gap can be shown.", columns, rows)]
    ticks = axis_ticks(min(0, *ends), max(0, *ends), tick_points)
    figure = row_plot(marks, ticks, "difference in completion, percentage points", reference=0)
    note = (
        "Left of 0: completed less often than the sessions compared with. Hollow: no evidence of a"
        " gap (q not below 0.05, over all comparisons). 95% intervals, clustered by user. n:"
        " eligible sessions of the group; the table has those of the others."
    )
    note += "".join(f" {one['label']}, against all other sessions: {one['rule']}." for one in named)
    if len(chosen) > MAX_ROWS:
        note += f" Shown: {MAX_ROWS} of {len(chosen)}; the table has all."
    drawing = svg(figure, name, question, describe(marks))
    return [Plot(name, question, drawing, note, columns, rows)]


def sentences(tables: dict[str, pd.DataFrame] | None) -> list[str]:
    """Return whether there is evidence of gaps, and of segments."""
    if not tables:
        return [NOT_YET]
    about = tables[TABLES[-1]].iloc[0]
    found = about["found_segments_verdict"]
    return [f"{about['cohort_gaps_verdict']}.", f"{found[0].upper()}{found[1:]}."]


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _mark(one: dict) -> Mark:
    estimate, low, high = (_number(one[key]) for key in ("gap", "ci_low", "ci_high"))
    if one.get("suppressed"):
        return Mark(shorten(one["label"], 28), "suppressed")
    text = points(estimate, one.get("declined") or "–")
    if np.isfinite(low):
        text += f" ({span(low, high, points)})"
    told = f"{shorten(one['label'], 28)} · n {count(_number(one['n']))}"
    hollow = not _number(one["q_value"]) < LEVEL or low <= 0 <= high
    return Mark(told, text, estimate, low, high, hollow)


def _cells(one: dict) -> tuple[str, ...]:
    what = NAMES[one["measure"]]
    if reason := one.get("suppressed"):
        return (one["label"], what, reason, *[""] * 5)
    interval = span(_number(one["ci_low"]), _number(one["ci_high"]), points)
    adjusted = points(_number(one.get("adjusted_gap")))
    sides = [
        f"{percent(_number(one[f'{side}rate']))} of {count(_number(one[f'{side}n']))}"
        for side in ("", "reference_")
    ]
    estimate = points(_number(one["gap"])), one.get("declined") or interval
    return (one["label"], what, *estimate, probability(one["q_value"]), adjusted, *sides)

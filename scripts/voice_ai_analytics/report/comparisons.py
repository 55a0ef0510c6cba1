"""Figures that compare channels by duration, and cohorts by completion."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.metrics.suppression import SESSIONS
from voice_ai_analytics.report.catalog import (
    COST,
    HANDLE_TIME,
    TURNS_PER_SESSION,
)
from voice_ai_analytics.report.figures import (
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.statistics.intervals import newcombe
from voice_ai_analytics.wording import (
    NOT_KNOWN,
    clean,
    count,
    decimal,
    money,
    percent,
    points,
    seconds,
    shorten,
    span,
    tick_points,
)


def duration_figure(channels: pd.DataFrame) -> Plot:
    """Return duration, turns and cost of a session by channel."""
    name, question = "durations", "How long does a session take in each channel?"
    columns = (
        "Channel",
        "Sessions",
        "Mean duration",
        "Turns per session",
        "Cost per completed session",
    )
    marks, rows = [], []
    for _, row in channels.sort_values(SESSIONS, ascending=False).iterrows():
        label = NOT_KNOWN if row["cohort"] is None else clean(row["cohort"])
        text = row["suppressed"] or seconds(row[HANDLE_TIME], NOT_KNOWN)
        values = (text, decimal(row[TURNS_PER_SESSION]), money(row[COST]))
        rows.append((label, count(row[SESSIONS]), *values))
        n = "" if row["suppressed"] else f" · n {count(row[SESSIONS])}"
        marks.append(Mark(shorten(label) + n, text, row[HANDLE_TIME] / 60))
    known = [mark.estimate for mark in marks if np.isfinite(mark.estimate)]
    if not known:
        return Plot(name, question, None, "No duration can be shown.", columns, rows)
    figure = row_plot(marks, axis_ticks(0, max(known), "{:g}".format), "minutes, mean", bars=True)
    note = "n: sessions; the mean is over those with a known duration, and has no interval here."
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def gap_figure(gaps: pd.DataFrame) -> Plot:
    """Return the gaps in completion between cohorts."""
    name, question = "gaps", "Is completion the same for those who may find it harder?"
    columns = ("Completion gap", "Points", "95% interval", "Group", "Compared with")
    marks, rows, sizes = [], [], []
    for gap in gaps.itertuples():
        group = gap.group_completed, gap.group_eligible
        reference = gap.reference_completed, gap.reference_eligible
        low, high = newcombe(*group, *reference)
        if not np.isfinite(low):
            reason = gap.suppressed or NOT_KNOWN
            marks.append(Mark(gap.label, reason))
            rows.append((gap.label, reason, "", "", ""))
            continue
        estimate = group[0] / group[1] - reference[0] / reference[1]
        interval = span(low, high, points)
        text = f"{points(estimate)} ({interval})"
        marks.append(Mark(gap.label, text, estimate, low, high, hollow=low <= 0 <= high))
        sides = [f"{percent(k / n)} of {count(n)}" for k, n in (group, reference)]
        rows.append((gap.label, points(estimate), interval, *sides))
        sizes.append(f"{gap.label} {count(group[1])} and {count(reference[1])}")
    ends = [end for mark in marks for end in (mark.low, mark.high) if np.isfinite(end)]
    if not ends:
        return Plot(name, question, None, "No gap can be shown.", columns, rows)
    ticks = axis_ticks(min(0, *ends), max(0, *ends), tick_points)
    figure = row_plot(marks, ticks, "difference in completion, percentage points", reference=0)
    note = (
        "Left of 0: completed less often than the sessions compared with. Hollow: the 95% interval"
        f" (Newcombe) includes 0, so there may be no gap. n, eligible: {'; '.join(sizes)}."
    )
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)

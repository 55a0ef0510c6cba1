"""Figures of rates and users by week."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from voice_ai_analytics.rates import Rate
from voice_ai_analytics.report.catalog import (
    ACTIVE_USERS,
)
from voice_ai_analytics.report.cohorts import estimated
from voice_ai_analytics.report.data import ReportData
from voice_ai_analytics.report.figures import (
    Plot,
    svg,
    week_plot,
)
from voice_ai_analytics.wording import (
    capital,
    count,
    day,
    percent,
    span,
    tick,
)


def trend_figure(
    name: str,
    question: str,
    data: ReportData,
    rates: Sequence[Rate],
    note: str = "",
    immature: pd.Timestamp | None = None,
) -> Plot:
    """Return rates by week, with their intervals."""
    weeks = data.weeks
    columns, table = ["Week starting", capital(rates[0].of)], [weeks[rates[0].denominator]]
    lines = {}
    for rate in rates:
        one = estimated(weeks, rate)
        lines[rate.label] = one["estimate"], one["low"], one["high"]
        columns += [rate.label, "95% interval"]
        table += [one["estimate"].map(percent)]
        table += [[span(*ends, percent) for ends in one[["low", "high"]].to_numpy()]]
    table[0] = table[0].map(count)
    note = f"Vertical bars: 95% intervals (Wilson). {note}"
    unit = (f"share of {rates[0].of}", tick)
    n = weeks[rates[0].denominator].dropna()
    counted = f"n: {count(n.min())} to {count(n.max())} {rates[0].of} per week. "
    note = counted + note
    return _weekly(name, question, weeks, data.days, lines, unit, note, columns, table, immature)


def active_figure(data: ReportData) -> Plot:
    """Return active users by week."""
    active = data.active
    none = np.full(len(active), np.nan)
    # The last week is complete: it counts the seven days up to the last day with data.
    days = data.days and (data.days[0], pd.Timestamp.max)
    return _weekly(
        "active",
        "How many people use it each week?",
        active,
        days,
        {"active users": (active[ACTIVE_USERS], none, none)},
        ("distinct users, 7 days", "{:,.0f}".format),
        "n: known users with a session in the seven days up to the week's last day with data.",
        ("Week starting", "Active users"),
        [active[ACTIVE_USERS].map(count)],
    )


def _weekly(
    name: str,
    question: str,
    weeks: pd.DataFrame,
    days: tuple[pd.Timestamp, pd.Timestamp] | None,
    lines: dict[str, tuple],
    unit: tuple[str, Callable],
    note: str,
    columns: Sequence[str],
    table: Sequence,
    immature: pd.Timestamp | None = None,
) -> Plot:
    """Return lines by week with a table, marking weeks that are partial or not mature.

    `immature` is the first day whose outcomes are still expected to change.
    """
    starts, first_line = weeks["cohort"], next(iter(lines.values()))
    partial = fresh = np.zeros(len(weeks), dtype=bool)
    if days and len(weeks):
        last_days = starts + pd.Timedelta(days=6)
        partial = ((starts < days[0]) | (last_days > days[1])).to_numpy()
        if immature is not None:
            fresh = (last_days >= immature).to_numpy()
    rows = []
    for start, is_partial, is_fresh, reason, *cells in zip(
        starts, partial, fresh, weeks["suppressed"], *table, strict=True
    ):
        marks = (("partial", is_partial), ("not mature", is_fresh))
        why = ", ".join(mark for mark, is_so in marks if is_so)
        label = day(start) + (f" ({why})" if why else "")
        rows.append((label, *([reason] + [""] * (len(cells) - 1) if reason else cells)))
    if not first_line[0].notna().any():
        reason = "No week can be shown." if len(weeks) else "There is nothing to count."
        return Plot(name, question, None, reason, columns, rows)
    if partial[-1]:
        note = f"{note} The last week is partial: the data ends on {day(days[1])}."
    if fresh.any():
        note += f" Outcomes from {day(immature)} on aren't mature: they may still change."
    told = f"{len(rows)} weeks. First: {', '.join(rows[0])}. Last: {', '.join(rows[-1])}."
    figure = week_plot(starts, partial | fresh, lines, *unit)
    return Plot(name, question, svg(figure, name, question, told), note, columns, rows)

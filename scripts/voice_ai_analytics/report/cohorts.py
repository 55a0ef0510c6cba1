"""Figures of rates by cohort, outcome, kind of error and ASR release."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from voice_ai_analytics.metrics.suppression import SESSIONS
from voice_ai_analytics.rates import ERROR_TURN, Rate
from voice_ai_analytics.report.catalog import (
    ERROR_TYPES,
    OUTCOMES,
)
from voice_ai_analytics.report.data import ReportData
from voice_ai_analytics.report.figures import (
    MAX_ROWS,
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.statistics.intervals import wilson
from voice_ai_analytics.wording import (
    NOT_KNOWN,
    capital,
    clean,
    count,
    percent,
    shorten,
    span,
    tick,
)

OF_TURNS = "Turns of one session are alike, so the true intervals are wider than these."


def cohort_figure(
    name: str,
    question: str,
    cohorts: pd.DataFrame,
    rate: Rate,
    dimension: str,
    by_size: bool = True,
    extra: dict[str, tuple[str, Callable]] | None = None,
    note: str = "",
) -> Plot:
    """Return a rate by cohort, the largest first or in the order of the cohorts."""
    if cohorts["cohort"].isna().all():
        reason = f"No session has a known {dimension}."
        return Plot(name, question, None, reason, (), [])
    rows = estimated(cohorts, rate)
    rows["unknown"] = rows["cohort"].isna()
    # Suppressed cohorts come last, by name: their place must not reveal their size.
    rows["size"] = rows["n"].fillna(-1) if by_size else 0
    rows["label"] = rows["cohort"].map(clean, na_action="ignore").fillna(NOT_KNOWN)
    order = {"unknown": True, "size": False, "label": True} | ({} if by_size else {"size": True})
    rows = rows.sort_values(list(order), ascending=list(order.values()))
    note = f"n: {count(rows['n'].sum())} {rate.of}. {note}"
    columns = (capital(dimension), capital(rate.of), rate.label)
    axis = f"{rate.label}, share of {rate.of}"
    return _share_plot(name, question, rows, columns, axis, note, extra)


def outcome_figure(data: ReportData) -> Plot:
    """Return the share of each outcome."""
    rows = data.outcomes.sort_values("cohort", key=lambda s: s.map(OUTCOMES.index))
    n, total = rows[SESSIONS], data.totals[SESSIONS]
    low, high = wilson(n, np.full(len(n), total))
    label = rows["cohort"].str.replace("_", " ")
    rows = rows.assign(label=label, n=n, estimate=n / total, low=low, high=high)
    columns = ("Outcome", "Sessions", "Share")
    note = f"n: {count(total)} sessions, including those not eligible."
    axis, question = "share of all sessions", "How do sessions end?"
    return _share_plot("outcomes", question, rows, columns, axis, note, bars=True)


def error_type_figure(totals: pd.Series) -> Plot:
    """Return the share of turns with each kind of error."""
    rows = [
        estimated(totals.to_frame().T, rate).assign(label=rate.label, n=totals[rate.numerator])
        for rate in ERROR_TYPES
    ]
    rest = totals[ERROR_TURN.numerator] - sum(totals[rate.numerator] for rate in ERROR_TYPES)
    of = totals[ERROR_TURN.denominator]
    note = f"n: {count(of)} turns; the turns with each error are beside it. "
    note += f"{count(rest)} turns have another error: no match, repeat or other. {OF_TURNS}"
    columns = ("Error", "Turns with it", "Share of turns")
    rows = pd.concat(rows).assign(suppressed="")
    return _share_plot("error_types", "What goes wrong?", rows, columns, "share of turns", note)


def release_figure(releases: pd.DataFrame) -> Plot:
    """Return error turns by release within each language, so that the mix stays the same."""
    rows = estimated(releases, ERROR_TURN)
    rows = rows[(rows["suppressed"] == "") & rows[["cohort", "language"]].notna().all(axis=1)]
    rows = rows.assign(size=-rows.groupby("language")["n"].transform("sum"))
    rows = rows[rows.groupby("language")["cohort"].transform("size") > 1]
    rows = rows.sort_values(["size", "language", "cohort"])
    rows["label"] = [f"{clean(a)} · {clean(b)}" for a, b in rows[["language", "cohort"]].values]
    name, question = "releases", "Within one language, does the release of the recognizer matter?"
    if rows.empty:
        reason = "No language was served by two ASR releases that can be shown."
        return Plot(name, question, None, reason, (), [])
    hidden = (releases["suppressed"] != "").sum()
    note = f"n: {count(rows['n'].sum())} turns. "
    note += f"{hidden} pairs are suppressed: small, or protecting a small one. " if hidden else ""
    columns = ("Language · ASR release", "Turns", ERROR_TURN.label)
    axis = f"{ERROR_TURN.label}, share of turns"
    return _share_plot(name, question, rows, columns, axis, note + OF_TURNS)


def _share_plot(
    name: str,
    question: str,
    rows: pd.DataFrame,
    columns: Sequence[str],
    axis: str,
    note: str,
    extra: dict[str, tuple[str, Callable]] | None = None,
    bars: bool = False,
) -> Plot:
    """Return shares, each with its `label`, `n`, `estimate`, `low`, `high` and `suppressed`."""
    extra = extra or {}
    marks, table = [], []
    for _, row in rows.iterrows():
        text = row["suppressed"] or percent(row["estimate"], NOT_KNOWN)
        values = [text, span(row["low"], row["high"], percent)]
        values += [form(row[metric]) for metric, form in extra.values()]
        table.append((row["label"], count(row["n"]), *values))
        if np.isfinite(row["low"]) and not bars:
            text += f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        label = shorten(row["label"])
        label += f" · n {count(row['n'])}" if np.isfinite(row["n"]) else ""
        marks.append(Mark(label, text, row["estimate"], row["low"], row["high"]))
    columns = (*columns, "95% interval", *extra)
    drawn = marks[:MAX_ROWS]
    ends = [end for m in drawn for end in (m.estimate, m.low, m.high) if np.isfinite(end)]
    if not ends:
        every_hidden = len(rows) and (rows["suppressed"] != "").all()
        reason = "Every cohort is suppressed." if every_hidden else "No share is known."
        return Plot(name, question, None, reason, columns, table)
    if len(marks) > MAX_ROWS:
        note = f"{note} Shown: {MAX_ROWS} of {len(marks)}; the table has all."
    figure = row_plot(drawn, axis_ticks(0 if bars else min(ends), max(ends), tick), axis, bars=bars)
    return Plot(name, question, svg(figure, name, question, describe(drawn)), note, columns, table)


def estimated(rows: pd.DataFrame, rate: Rate) -> pd.DataFrame:
    """Return cohorts with the estimate of a rate, its interval and n."""
    low, high = wilson(rows[rate.numerator], rows[rate.denominator])
    return rows.assign(n=rows[rate.denominator], estimate=rows[rate.metric], low=low, high=high)

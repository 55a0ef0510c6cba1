"""One self-contained HTML report of certified metrics.

`render` draws what `report_data.gather` read. The report defines no metric.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from voice_ai_analytics.history.report import immature_from
from voice_ai_analytics.report.analyses import ANALYSES, SETTLING
from voice_ai_analytics.report.data import (
    ABANDONMENT,
    ACTIVE_USERS,
    ADOPTION,
    ASR_CONFIDENCE,
    COMPLETION,
    CONTAINMENT,
    COST,
    EFFICIENCY,
    ELIGIBLE,
    ERROR_TURN,
    ERROR_TYPES,
    HANDLE_TIME,
    HEADLINE,
    LATENCY,
    LOW_CONFIDENCE,
    NOT_KNOWN,
    OUTCOMES,
    RATES,
    SESSION_ERROR,
    SESSIONS,
    TURNS,
    TURNS_PER_SESSION,
    USERS,
    Rate,
    ReportData,
)
from voice_ai_analytics.report.figures import (
    MAX_ROWS,
    STYLE,
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
    week_plot,
)
from voice_ai_analytics.report.text import (
    capital,
    clean,
    count,
    day,
    decimal,
    milliseconds,
    money,
    number,
    odds_ratio,
    percent,
    points,
    probability,
    seconds,
    shorten,
    span,
    tick,
    tick_points,
)
from voice_ai_analytics.statistics.intervals import newcombe, wilson

COEFFICIENT = [
    *("term", "log_odds", "std_error", "odds_ratio_per_sd", "ci_low", "ci_high"),
    *("p_value", "q_value", "average_marginal_effect"),
]


def render(data: ReportData) -> str:
    """Draw the report.

    Parameters
    ----------
    data : ReportData
        From `gather`.

    Returns
    -------
    str
        One HTML document that loads nothing; the same data give the same text.
    """
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser has glyphs and scripts that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", "(Glyph|Matplotlib currently does not support)")
        plots = _plots(data)
        drawn = {one.name: one.plots(data.analyses.get(one.name)) for one in ANALYSES}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "day": day, "clean": clean, "number": number}
    environment.filters["probability"] = probability
    tiles = {rate.metric: _tile(data.totals, rate) for rate in RATES}
    return environment.get_template("template.html").render(
        data=data,
        plots={plot.name: plot for plot in plots},
        analyses=[
            (one, one.sentences(data.analyses.get(one.name)), drawn[one.name]) for one in ANALYSES
        ],
        completed=tiles[COMPLETION.metric],
        abandoned=tiles[ABANDONMENT.metric],
        contained=CONTAINMENT.label,
        headline=[tiles[rate.metric] for rate in HEADLINE],
        efficiency=[tiles[rate.metric] for rate in EFFICIENCY] + _means(data.totals),
        adoption=[tiles[rate.metric] for rate in ADOPTION],
        sessions=data.totals[SESSIONS],
        eligible=data.totals[ELIGIBLE],
        users=data.totals[USERS],
        turns=data.totals[TURNS],
    )


OF_TURNS = "Turns of one session are alike, so the true intervals are wider than these."


def _plots(data: ReportData) -> list[Plot]:
    return [
        _trend(
            "trend",
            "Are more sessions completed and fewer abandoned, week by week?",
            data,
            (COMPLETION, ABANDONMENT),
            immature=immature_from(data.analyses.get(SETTLING)),
        ),
        _outcomes(data),
        _gaps(data.gaps),
        _by_cohort(
            "languages",
            "Is a session as likely to be completed in every language?",
            data.languages,
            COMPLETION,
            "language",
        ),
        _by_cohort(
            "recognition",
            "Is speech recognised with confidence in every language?",
            data.languages,
            LOW_CONFIDENCE,
            "language",
            extra={"Mean ASR confidence": (ASR_CONFIDENCE, decimal)},
            note=f"Less is better. Confidences of different recognisers do not compare. {OF_TURNS}",
        ),
        _durations(data.channels),
        _by_cohort(
            "session_errors",
            "In which channel do sessions meet errors?",
            data.channels,
            SESSION_ERROR,
            "channel",
        ),
        _active(data),
        _by_cohort(
            "channels",
            "Is voice completed as often as the other channels?",
            data.channels,
            COMPLETION,
            "channel",
        ),
        _trend(
            "errors",
            "Are errors getting rarer, week by week?",
            data,
            (ERROR_TURN, *ERROR_TYPES),
            OF_TURNS,
        ),
        _error_types(data.totals),
        _releases(data.releases),
        _by_cohort(
            "bands",
            "Are sessions abandoned more often where recognition was less confident?",
            data.bands,
            ABANDONMENT,
            "mean ASR confidence",
            by_size=False,
            note="Not adjusted for anything else: what it is evidence of, only the verdict says.",
        ),
        _forest(data.model),
    ]


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
    """Draw shares, each with its `label`, `n`, `estimate`, `low`, `high` and `suppressed`."""
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
        note = f"{note} Drawn: {MAX_ROWS} of {len(marks)}; all are in the table."
    figure = row_plot(drawn, axis_ticks(0 if bars else min(ends), max(ends), tick), axis, bars=bars)
    return Plot(name, question, svg(figure, name, question, describe(drawn)), note, columns, table)


def _estimated(rows: pd.DataFrame, rate: Rate) -> pd.DataFrame:
    low, high = wilson(rows[rate.numerator], rows[rate.denominator])
    return rows.assign(n=rows[rate.denominator], estimate=rows[rate.metric], low=low, high=high)


def _by_cohort(
    name: str,
    question: str,
    cohorts: pd.DataFrame,
    rate: Rate,
    dimension: str,
    by_size: bool = True,
    extra: dict[str, tuple[str, Callable]] | None = None,
    note: str = "",
) -> Plot:
    """Show a rate by cohort, the largest first or in the order of the cohorts."""
    if cohorts["cohort"].isna().all():
        reason = f"No session has a known {dimension}."
        return Plot(name, question, None, reason, (), [])
    rows = _estimated(cohorts, rate)
    rows["unknown"] = rows["cohort"].isna()
    # Suppressed cohorts come last by name: their place must not tell their size.
    rows["size"] = rows["n"].fillna(-1) if by_size else 0
    rows["label"] = rows["cohort"].map(clean, na_action="ignore").fillna(NOT_KNOWN)
    order = {"unknown": True, "size": False, "label": True} | ({} if by_size else {"size": True})
    rows = rows.sort_values(list(order), ascending=list(order.values()))
    note = f"n: {count(rows['n'].sum())} {rate.of}. {note}"
    columns = (capital(dimension), capital(rate.of), rate.label)
    axis = f"{rate.label}, share of {rate.of}"
    return _share_plot(name, question, rows, columns, axis, note, extra)


def _outcomes(data: ReportData) -> Plot:
    rows = data.outcomes.sort_values("cohort", key=lambda s: s.map(OUTCOMES.index))
    n, total = rows[SESSIONS], data.totals[SESSIONS]
    low, high = wilson(n, np.full(len(n), total))
    label = rows["cohort"].str.replace("_", " ")
    rows = rows.assign(label=label, n=n, estimate=n / total, low=low, high=high)
    columns = ("Outcome", "Sessions", "Share")
    note = f"n: {count(total)} sessions, those not eligible included."
    axis, question = "share of all sessions", "How do sessions end?"
    return _share_plot("outcomes", question, rows, columns, axis, note, bars=True)


def _error_types(totals: pd.Series) -> Plot:
    rows = [
        _estimated(totals.to_frame().T, rate).assign(label=rate.label, n=totals[rate.numerator])
        for rate in ERROR_TYPES
    ]
    rest = totals[ERROR_TURN.numerator] - sum(totals[rate.numerator] for rate in ERROR_TYPES)
    note = f"n: {count(totals[TURNS])} turns; beside each error, the turns with it. "
    note += f"{count(rest)} turns have another error: no match, repeat or other. {OF_TURNS}"
    columns = ("Error", "Turns with it", "Share of turns")
    rows = pd.concat(rows).assign(suppressed="")
    return _share_plot("error_types", "What goes wrong?", rows, columns, "share of turns", note)


def _releases(releases: pd.DataFrame) -> Plot:
    """Compare releases inside one language, so that a change of mix does not look like a gain."""
    rows = _estimated(releases, ERROR_TURN)
    rows = rows[(rows["suppressed"] == "") & rows[["cohort", "language"]].notna().all(axis=1)]
    rows = rows.assign(size=-rows.groupby("language")["n"].transform("sum"))
    rows = rows[rows.groupby("language")["cohort"].transform("size") > 1]
    rows = rows.sort_values(["size", "language", "cohort"])
    rows["label"] = [f"{clean(a)} · {clean(b)}" for a, b in rows[["language", "cohort"]].values]
    name, question = "releases", "Within one language, does the recogniser's release matter?"
    if rows.empty:
        reason = "No language was served by two ASR releases that can be shown."
        return Plot(name, question, None, reason, (), [])
    hidden = (releases["suppressed"] != "").sum()
    note = f"n: {count(rows['n'].sum())} turns. "
    note += f"{hidden} small or protecting pairs are suppressed. " if hidden else ""
    columns = ("Language · ASR release", "Turns", ERROR_TURN.label)
    axis = f"{ERROR_TURN.label}, share of turns"
    return _share_plot(name, question, rows, columns, axis, note + OF_TURNS)


def _durations(channels: pd.DataFrame) -> Plot:
    name, question = "durations", "How long does a session take in each channel?"
    columns = ("Channel", "Sessions", "Mean duration", "Turns a session", "Cost a completed one")
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
    note = "n: sessions; the mean is over those of known duration, and has no interval here."
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def _gaps(gaps: pd.DataFrame) -> Plot:
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
    note = "Left of 0: completed less often than those compared with. Hollow: the 95% interval "
    note += f"(Newcombe) includes 0, so there may be no gap. n, eligible: {'; '.join(sizes)}."
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def _trend(
    name: str,
    question: str,
    data: ReportData,
    rates: Sequence[Rate],
    note: str = "",
    immature: pd.Timestamp | None = None,
) -> Plot:
    weeks = data.weeks
    columns, table = ["Week starting", capital(rates[0].of)], [weeks[rates[0].denominator]]
    lines = {}
    for rate in rates:
        one = _estimated(weeks, rate)
        lines[rate.label] = one["estimate"], one["low"], one["high"]
        columns += [rate.label, "95% interval"]
        table += [one["estimate"].map(percent)]
        table += [[span(*ends, percent) for ends in one[["low", "high"]].to_numpy()]]
    table[0] = table[0].map(count)
    note = f"Vertical bars: 95% intervals (Wilson). {note}"
    unit = (f"share of {rates[0].of}", tick)
    n = weeks[rates[0].denominator].dropna()
    counted = f"n: {count(n.min())} to {count(n.max())} {rates[0].of} a week. "
    note = counted + note
    return _weekly(name, question, weeks, data.days, lines, unit, note, columns, table, immature)


def _active(data: ReportData) -> Plot:
    active = data.active
    none = np.full(len(active), np.nan)
    # The last week is whole: it counts the seven days up to the last day with data.
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
    """Draw lines by week, mark the weeks that are not what they will be, and tell them in a table.

    `immature` is the first day from which on outcomes are still expected to change.
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
        note = f"{note} The last week is partial: data end on {day(days[1])}."
    if fresh.any():
        note += f" Outcomes of days from {day(immature)} on are not mature: they still change."
    told = f"{len(rows)} weeks. First: {', '.join(rows[0])}. Last: {', '.join(rows[-1])}."
    figure = week_plot(starts, partial | fresh, lines, *unit)
    return Plot(name, question, svg(figure, name, question, told), note, columns, rows)


def _forest(model: dict | None) -> Plot:
    name, question = "model", "How is each feature associated with abandonment, given the others?"
    columns = ("Term", "Log-odds", "Standard error", "95% interval", "Odds ratio per SD")
    columns += ("p", "q", "Average marginal effect")
    if model is None:
        reason = "No model has been fitted yet: run voice-ai fit-abandonment."
        return Plot(name, question, None, reason, columns, [])
    estimates = pd.DataFrame(model["coefficients"], columns=COEFFICIENT)
    numbers = estimates[COEFFICIENT[1:]].astype(float)
    # Only the ratio is per standard deviation; its logarithm gives the deviation back.
    per_sd = np.log(numbers["odds_ratio_per_sd"].where(numbers["odds_ratio_per_sd"] > 0))
    sd = per_sd / numbers["log_odds"].where(numbers["log_odds"] != 0)
    lows, highs = numbers["ci_low"] * sd, numbers["ci_high"] * sd
    marks, rows = [], []
    for at, one in numbers.iterrows():
        term, ratio = clean(estimates["term"][at]), one["odds_ratio_per_sd"]
        cells = [number(one[key]) for key in ("log_odds", "std_error")]
        cells += [span(one["ci_low"], one["ci_high"], number), number(ratio)]
        cells += [probability(one[key]) for key in ("p_value", "q_value")]
        cells += [number(one["average_marginal_effect"])]
        rows.append((term, *cells))
        low, high = lows[at], highs[at]
        if not np.isfinite([per_sd[at], low, high]).all():
            marks.append(Mark(shorten(term, 32), "see the table"))
            continue
        text = f"{odds_ratio(ratio)} ({span(np.exp(low), np.exp(high), odds_ratio)})"
        hollow = not one["q_value"] < 0.05
        marks.append(Mark(shorten(term, 32), text, per_sd[at], low, high, hollow))
    widest = np.nanmax([np.log(1.25), *lows.abs(), *highs.abs()])
    steps = {1.25: [1.25], 1.5: [1.5], 2: [1.5, 2], 4: [2, 4], 8: [2, 8], 16: [4, 16]}
    inside = [ticks for end, ticks in steps.items() if np.log(end) >= widest] or [steps[16]]
    ratios = [1 / tick for tick in reversed(inside[0])] + [1] + inside[0]
    if not any(np.isfinite(mark.estimate) for mark in marks):
        return Plot(name, question, None, "The model gives no estimate.", columns, rows)
    ticks = {np.log(ratio): f"{ratio:.2f}".rstrip("0").rstrip(".") for ratio in ratios}
    figure = row_plot(marks, ticks, "odds ratio per standard deviation, log scale", reference=0)
    note = (
        f"n: {count(model['n_sessions'])} sessions of {count(model['n_users'])} users, "
        f"{count(model['n_events'])} abandoned. Right of 1: abandoned more often. Hollow: q is "
        "not below 0.05. 95% intervals. An association is not a cause."
    )
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def _tile(totals: pd.Series, rate: Rate) -> dict:
    low, high = wilson(totals[[rate.numerator]], totals[[rate.denominator]])
    counts = f"{count(totals[rate.numerator])} of {count(totals[rate.denominator])}"
    return {
        "label": rate.label,
        "value": percent(totals[rate.metric], ""),
        "interval": span(low[0], high[0], percent),
        "of": f"{counts} {rate.of}",
        "low": 100 * low[0],
        "high": 100 * high[0],
    }


def _means(totals: pd.Series) -> list[dict]:
    asked = (
        ("Turns a session", TURNS_PER_SESSION, decimal),
        ("Mean duration", HANDLE_TIME, seconds),
        ("Cost a completed session", COST, money),
        ("Median response latency", LATENCY[0], milliseconds),
        ("95th percentile of latency", LATENCY[1], milliseconds),
    )
    return [
        {"label": label, "value": text(totals.get(metric, np.nan), ""), "interval": ""}
        for label, metric, text in asked
    ]

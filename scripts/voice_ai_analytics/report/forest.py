"""The figure of the abandonment model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.report.figures import (
    Mark,
    Plot,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.wording import (
    clean,
    count,
    number,
    odds_ratio,
    probability,
    shorten,
    span,
)

COEFFICIENT = [
    *("term", "log_odds", "std_error", "odds_ratio_per_sd", "ci_low", "ci_high"),
    *("p_value", "q_value", "average_marginal_effect"),
]


def forest_figure(model: dict | None) -> Plot:
    """Return the coefficients of the abandonment model."""
    name, question = "model", "How is each feature associated with abandonment, given the others?"
    columns = ("Term", "Log-odds", "Standard error", "95% interval", "Odds ratio per SD")
    columns += ("p", "q", "Average marginal effect")
    if model is None:
        reason = "No model has been fitted yet: run voice-ai fit-abandonment."
        return Plot(name, question, None, reason, columns, [])
    estimates = pd.DataFrame(model["coefficients"], columns=COEFFICIENT)
    numbers = estimates[COEFFICIENT[1:]].astype(float)
    # Only the ratio is per standard deviation: its logarithm over the log-odds is that deviation.
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
        return Plot(name, question, None, "The model has no estimate.", columns, rows)
    ticks = {np.log(ratio): f"{ratio:.2f}".rstrip("0").rstrip(".") for ratio in ratios}
    figure = row_plot(marks, ticks, "odds ratio per standard deviation, log scale", reference=0)
    note = (
        f"n: {count(model['n_sessions'])} sessions of {count(model['n_users'])} users, "
        f"{count(model['n_events'])} abandoned. Right of 1: abandoned more often. Hollow: q is "
        "not below 0.05. 95% intervals. An association is not a cause."
    )
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)

"""One self-contained HTML report of certified metrics.

`render` draws what `gather` read. The report defines no metric.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from voice_ai_analytics.metrics.suppression import ELIGIBLE, SESSIONS, USERS
from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, CONTAINMENT, ERROR_TURN, Rate
from voice_ai_analytics.report.analyses import SECTIONS, SETTLING
from voice_ai_analytics.report.catalog import (
    ADOPTION,
    ASR_CONFIDENCE,
    COST,
    EFFICIENCY,
    ERROR_TYPES,
    HANDLE_TIME,
    HEADLINE,
    LATENCY,
    LOW_CONFIDENCE,
    RATES,
    SESSION_ERROR,
    TURNS,
    TURNS_PER_SESSION,
)
from voice_ai_analytics.report.cohorts import (
    OF_TURNS,
    cohort_figure,
    error_type_figure,
    outcome_figure,
    release_figure,
)
from voice_ai_analytics.report.comparisons import duration_figure, gap_figure
from voice_ai_analytics.report.data import ReportData
from voice_ai_analytics.report.figures import (
    STYLE,
    Plot,
)
from voice_ai_analytics.report.forest import forest_figure
from voice_ai_analytics.report.sections.settling import immature_from
from voice_ai_analytics.report.weeks import active_figure, trend_figure
from voice_ai_analytics.statistics.intervals import wilson
from voice_ai_analytics.wording import (
    clean,
    count,
    day,
    decimal,
    milliseconds,
    money,
    number,
    percent,
    probability,
    seconds,
    span,
)


def render(data: ReportData) -> str:
    """Return the report.

    Parameters
    ----------
    data : ReportData
        From `gather`.

    Returns
    -------
    str
        One HTML document that loads nothing else; the same data give the same text.
    """
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser has glyphs and scripts that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", "(Glyph|Matplotlib currently does not support)")
        plots = _plots(data)
        drawn = {one.name: one.plots(data.analyses.get(one.name)) for one in SECTIONS}
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
            (one, one.sentences(data.analyses.get(one.name)), drawn[one.name]) for one in SECTIONS
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


def _plots(data: ReportData) -> list[Plot]:
    return [
        trend_figure(
            "trend",
            "Are more sessions completed and fewer abandoned, week by week?",
            data,
            (COMPLETION, ABANDONMENT),
            immature=immature_from(data.analyses.get(SETTLING)),
        ),
        outcome_figure(data),
        gap_figure(data.gaps),
        cohort_figure(
            "languages",
            "Is a session as likely to be completed in every language?",
            data.languages,
            COMPLETION,
            "language",
        ),
        cohort_figure(
            "recognition",
            "Is speech recognized with confidence in every language?",
            data.languages,
            LOW_CONFIDENCE,
            "language",
            extra={"Mean ASR confidence": (ASR_CONFIDENCE, decimal)},
            note=f"Less is better. Don't compare confidences of different recognizers. {OF_TURNS}",
        ),
        duration_figure(data.channels),
        cohort_figure(
            "session_errors",
            "In which channels do sessions run into errors?",
            data.channels,
            SESSION_ERROR,
            "channel",
        ),
        active_figure(data),
        cohort_figure(
            "channels",
            "Is voice completed as often as the other channels?",
            data.channels,
            COMPLETION,
            "channel",
        ),
        trend_figure(
            "errors",
            "Are errors getting rarer, week by week?",
            data,
            (ERROR_TURN, *ERROR_TYPES),
            OF_TURNS,
        ),
        error_type_figure(data.totals),
        release_figure(data.releases),
        cohort_figure(
            "bands",
            "Are sessions abandoned more often where recognition was less confident?",
            data.bands,
            ABANDONMENT,
            "mean ASR confidence",
            by_size=False,
            note="Not adjusted for anything else. Only the verdict says what is evidence.",
        ),
        forest_figure(data.model),
    ]


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
        ("Turns per session", TURNS_PER_SESSION, decimal),
        ("Mean duration", HANDLE_TIME, seconds),
        ("Cost per completed session", COST, money),
        ("Median response latency", LATENCY[0], milliseconds),
        ("95th percentile of latency", LATENCY[1], milliseconds),
    )
    return [
        {"label": label, "value": text(totals.get(metric, np.nan), ""), "interval": ""}
        for label, metric, text in asked
    ]

"""The section on an ASR release, from the tables of `voice-ai compare-asr`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.plain import records
from voice_ai_analytics.releases.results import EFFECTS, RESULTS
from voice_ai_analytics.releases.words import q_of, verdict_sentence
from voice_ai_analytics.report.figures import (
    MAX_ROWS,
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.wording import (
    capital,
    clean,
    count,
    day,
    percent,
    points,
    probability,
    shorten,
    span,
    tick_points,
)

TABLES = RESULTS
NOT_YET = "No ASR release has been compared with another yet: run voice-ai compare-asr."
COLUMNS = ("Metric · estimate", "Before", "After", "Difference in points", "95% interval", "p", "q")
COLUMNS += ("n before", "n after", "Verdict or why not", "Assumes")


def plots(tables: dict[str, pd.DataFrame] | None) -> list[Plot]:
    """Return what each verdict rests on, with the raw difference beside it."""
    if not tables:
        return []
    effects = records(tables[EFFECTS])
    before, after = (clean(effects[0][name]) for name in ("before", "after"))
    name, question = "asr_release", f"What changed from {before} to {after}?"
    rows = [_cells(effect) for effect in effects]
    chosen = [e for e in effects if e["is_primary"] or e["estimate"] == "raw"]
    chosen = sorted(chosen, key=lambda e: (_place(e, effects), not e["is_primary"]))[:MAX_ROWS]
    marks = [_mark(effect) for effect in chosen]
    ends = [e for m in marks for e in (m.estimate, m.low, m.high) if np.isfinite(e)]
    if not ends:
        return [Plot(name, question, None, "No difference could be estimated.", COLUMNS, rows)]
    when = day(pd.Timestamp(effects[0]["compared_at"]))
    note = (
        f"{after} minus {before}, in percentage points of the rate; compared {when}."
        " Filled: what the verdict rests on; hollow: raw. Bars: 95% intervals. n: sessions, turns"
        " or words of both. The table has all estimates."
    )
    ticks = axis_ticks(min(0, *ends), max(0, *ends), tick_points)
    figure = row_plot(marks, ticks, "difference in percentage points", reference=0)
    drawn = svg(figure, name, question, describe(marks))
    return [Plot(name, question, drawn, note, COLUMNS, rows)]


def sentences(tables: dict[str, pd.DataFrame] | None) -> list[str]:
    """Return one sentence on what is known about each metric."""
    if not tables:
        return [NOT_YET]
    effects = records(tables[EFFECTS])
    before, after = (clean(effects[0][name]) for name in ("before", "after"))
    return [verdict_sentence(before, after, [e for e in effects if e["is_primary"]])]


def _place(effect: dict, effects: list[dict]) -> int:
    return next(at for at, one in enumerate(effects) if one["metric"] == effect["metric"])


def _numbers(effect: dict, *names: str) -> list[float]:
    return [np.nan if effect[name] is None else float(effect[name]) for name in names]


def _mark(effect: dict) -> Mark:
    numbers = _numbers(effect, "difference", "ci_low", "ci_high")
    if not np.isfinite(numbers[0]):
        return Mark(f"{capital(effect['metric'])} · {effect['estimate']}", "cannot be told")
    n = f"n {count(effect['n_before'] + effect['n_after'])}"
    text = points(numbers[0])
    if np.isfinite(numbers[1]):
        text += f" ({span(*numbers[1:], points)})"
    label = f"{shorten(effect['metric'])} · {n}" if effect["is_primary"] else f"  raw · {n}"
    return Mark(capital(label), text, *numbers, hollow=not effect["is_primary"])


def _cells(effect: dict) -> tuple[str, ...]:
    difference, low, high = _numbers(effect, "difference", "ci_low", "ci_high")
    rates = _numbers(effect, "rate_before", "rate_after")
    return (
        f"{effect['metric']} · {effect['estimate']}",
        *map(percent, rates),
        points(difference),
        span(low, high, points),
        *map(probability, (effect["p_value"], q_of(effect))),
        *(count(effect[name]) for name in ("n_before", "n_after")),
        clean(effect["declined"] or effect["verdict"] or "–"),
        effect["assumes"],
    )

"""The section on speech recognition, from the tables of `voice-ai evaluate-asr`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_ai_analytics.asr.calibration import warning
from voice_ai_analytics.asr.results import RESULTS, numbers_as_floats
from voice_ai_analytics.asr.words import rate_sentence
from voice_ai_analytics.report.figures import (
    GRID,
    INK,
    LOOKS,
    MAX_ROWS,
    WIDTH,
    Mark,
    Plot,
    axis_ticks,
    describe,
    row_plot,
    svg,
)
from voice_ai_analytics.wording import clean, count, percent, points, shorten, span, tick

TABLES = RESULTS
NOT_YET = "No transcript has been compared with a reference yet: run voice-ai evaluate-asr."
PAIR = ["language", "asr_model"]


def plots(asr: dict[str, pd.DataFrame] | None) -> list[Plot]:
    """Return error rates by language and ASR model, and how far confidence can be trusted."""
    if not asr:
        return []
    rates, calibration, curves = (numbers_as_floats(asr[name]) for name in TABLES)
    return [_rates(rates), _curves(calibration, curves)]


def sentences(asr: dict[str, pd.DataFrame] | None) -> list[str]:
    """Return the overall error rate, where confidence is furthest off, and what not to compare."""
    if not asr:
        return [NOT_YET]
    rates, calibration, _ = (numbers_as_floats(asr[name]) for name in TABLES)
    overall = rates[rates["grouped_by"] == "overall"].iloc[0]
    told = [rate_sentence(overall.where(overall.notna(), None).to_dict())]
    known = calibration[calibration["gap"].notna()]
    if len(known):
        one = known.loc[known["gap"].abs().idxmax()]
        ends, side = [one["gap_ci_low"], one["gap_ci_high"]], "above"
        if one["gap"] < 0:
            ends, side = [-end for end in reversed(ends)], "below"
        start = "Confidence is furthest off"
        if ends[0] <= 0:
            start = "There is no evidence that confidence is off; it is furthest"
        told.append(
            f"{start} in {clean(one['language'])} with {clean(one['asr_model'])}:"
            f" {100 * abs(one['gap']):.1f} points {side} the share of correct words (95%"
            f" interval {span(*ends, lambda end: f'{100 * end:.1f}')}; n {count(one['words'])}"
            " words)."
        )
    return [*told, *filter(None, [warning(map(clean, known["asr_model"].unique()))])]


def _label(row: pd.Series) -> str:
    return " · ".join("not known" if row[name] is None else clean(row[name]) for name in PAIR)


def _rates(rates: pd.DataFrame) -> Plot:
    name, question = "asr_rates", "How many words are misheard, by language and ASR model?"
    columns = ("Language · ASR model", "Error rate", "95% interval", "Errors", "Of", "Unit")
    chosen = rates[rates["grouped_by"] == ", ".join(PAIR)].astype({name: object for name in PAIR})
    chosen = chosen.where(chosen.notna(), None).sort_values(PAIR, na_position="last")
    marks, rows = [], []
    for _, row in chosen.iterrows():
        numbers = [
            np.nan if row[key] is None else float(row[key])
            for key in ("word_error_rate", "ci_low", "ci_high")
        ]
        interval = span(*numbers[1:], percent)
        text = row["suppressed"] or percent(numbers[0])
        cells = [text, interval, count(row["errors"]), count(row["reference_words"]), row["unit"]]
        rows.append((_label(row), *cells))
        if np.isfinite(numbers[1]):
            text += f" ({100 * numbers[1]:.1f} to {100 * numbers[2]:.1f})"
        n = "" if row["suppressed"] else f" · n {count(row['reference_words'])}"
        marks.append(Mark(shorten(_label(row)) + n, text, *numbers))
    drawn = marks[:MAX_ROWS]
    ends = [e for m in drawn for e in (m.estimate, m.low, m.high) if np.isfinite(e)]
    if not ends:
        return Plot(name, question, None, "No error rate can be shown.", columns, rows)
    when = pd.Timestamp(rates["evaluated_at"].iloc[0])
    note = (
        f"n: words of the references, or characters where a language has no spaces; evaluated"
        f" {when.day} {when:%b %Y}, normalizer {rates['normalizer'].iloc[0]}. 95% intervals over"
        " sessions."
    )
    if len(marks) > MAX_ROWS:
        note += f" Shown: {MAX_ROWS} of {len(marks)}; the table has all."
    figure = row_plot(drawn, axis_ticks(0, max(ends), tick), "errors over reference words")
    return Plot(name, question, svg(figure, name, question, describe(drawn)), note, columns, rows)


def _curves(calibration: pd.DataFrame, curves: pd.DataFrame) -> Plot:
    name, question = "asr_calibration", "Is a word as likely to be right as its confidence says?"
    columns = ("Language · ASR model", "Confidence", "Right", "Gap", "95% interval", "ECE")
    columns += ("95% interval", "p", "Words", "Note")
    rows = []
    for _, one in calibration.iterrows():
        cells = [percent(one["confidence"]), percent(one["correctness"]), points(one["gap"])]
        cells += [span(one["gap_ci_low"], one["gap_ci_high"], points)]
        cells += [percent(one["expected_calibration_error"])]
        cells += [span(one["ci_low"], one["ci_high"], percent)]
        cells += ["–" if pd.isna(one["p_value"]) else f"{one['p_value']:.3f}"]
        rows.append((_label(one), *cells, count(one["words"]), one["declined"] or ""))
    known = calibration[calibration["expected_calibration_error"].notna()]
    if known.empty:
        reason = "No language and ASR model has enough turns with a confidence."
        return Plot(name, question, None, reason, columns, rows)
    most = known.nlargest(len(LOOKS), "words").sort_values(PAIR)
    figure, told = _draw(most, curves)
    note = (
        "On the line, words are right as often as confidence says; below it, less often. Bars: 95%"
        f" intervals; bins with few words are left out. Shown: the {len(most)} of"
        f" {len(calibration)} with the most words."
    )
    return Plot(name, question, svg(figure, name, question, told), note, columns, rows)


def _draw(chosen: pd.DataFrame, curves: pd.DataFrame) -> tuple[Figure, str]:
    keys = len(chosen)
    height = 3.3 + 0.2 * keys
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.16, 0.55 / height, 0.78, 2.6 / height))
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, zorder=0)
    told = []
    for (_, one), (colour, marker, dash) in zip(chosen.iterrows(), LOOKS, strict=False):
        label = f"{shorten(_label(one))} (n {count(one['words'])})"
        curve = curves[(curves[PAIR] == one[PAIR].tolist()).all(axis=1)].sort_values("bin_low")
        x, y = (curve[key].astype(float) for key in ("confidence", "correctness"))
        ends = (curve[key].astype(float) for key in ("ci_low", "ci_high"))
        axes.vlines(x, *ends, color=colour, linewidth=1.2)
        axes.plot(x, y, dash + marker, color=colour, linewidth=1.6, markersize=5, label=label)
        told.append(f"{label}: error {percent(one['expected_calibration_error'])}")
    ticks = {value / 4: tick(value / 4) for value in range(5)}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="words recognized correctly")
    axes.grid(color=GRID, linewidth=0.8)
    place = {"loc": "upper left", "bbox_to_anchor": (0, 1), "borderaxespad": 0, "borderpad": 0}
    figure.legend(ncols=1, handlelength=2.4, labelspacing=0.35, **place)
    return figure, "; ".join(told) + "."

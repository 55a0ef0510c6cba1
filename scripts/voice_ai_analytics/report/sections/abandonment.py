"""The section on when sessions are abandoned, from the tables of `voice-ai fit-abandonment`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.abandonment.words import band_name
from voice_ai_analytics.plain import records
from voice_ai_analytics.report.figures import Mark, Plot, axis_ticks, describe, row_plot, svg
from voice_ai_analytics.wording import (
    capital,
    clean,
    count,
    odds_ratio,
    percent,
    shorten,
    span,
    tick,
)

MODEL, HAZARD = "voice_ai_abandonment_model", "voice_ai_abandonment_hazard"
SENSITIVITY = "voice_ai_abandonment_sensitivity"
TABLES = (MODEL, HAZARD, SENSITIVITY)
NOT_YET = "When sessions are abandoned is not known yet: run voice-ai fit-abandonment."
RATIO = "error_proportion_odds_ratio"


def plots(tables: dict[str, pd.DataFrame] | None) -> list[Plot]:
    """Return the hazard of abandonment by user turn, and the model under other settings.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame, or None
        `TABLES`; None where no model has been fitted yet.

    Returns
    -------
    list of Plot
    """
    if not tables:
        return []
    return [_hazard(tables), _settings(tables[SENSITIVITY])]


def sentences(tables: dict[str, pd.DataFrame] | None) -> list[str]:
    """Return when sessions are abandoned, what goes with transfers, and what other settings find.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame, or None
        As for `plots`.

    Returns
    -------
    list of str
    """
    if not tables:
        return [NOT_YET]
    (model,) = tables[MODEL].to_dict("records")
    parts = ("hazard", "multinomial", "boosting", "sensitivity")
    return [clean(model[f"{part}_verdict"]) for part in parts]


def _hazard(tables: dict[str, pd.DataFrame]) -> Plot:
    name, question = "hazard", "At which user turn are sessions abandoned?"
    columns = ("User turn", "Reached by", "Users", "Turns at risk", "Abandoned", "Hazard")
    columns += ("95% interval",)
    bands = tables[HAZARD].sort_values("first_turn")
    marks, rows = [], []
    for _, band in bands.iterrows():
        hazard, low, high = (float(band[key]) for key in ("hazard", "ci_low", "ci_high"))
        turns = band_name(band)
        counts = [count(band[key]) for key in ("n_sessions", "n_users", "n_turns", "n_events")]
        rows.append((capital(turns), *counts, percent(hazard), span(low, high, percent)))
        text = percent(hazard)
        if np.isfinite([low, high]).all():
            text += f" ({100 * low:.1f} to {100 * high:.1f})"
        marks.append(
            Mark(f"{capital(turns)} · n {count(band['n_sessions'])}", text, hazard, low, high)
        )
    if not marks:
        return Plot(
            name, question, None, clean(tables[MODEL]["hazard_verdict"].iloc[0]), columns, []
        )
    note = (
        "Of the turns that sessions reach, the share after which they are abandoned; sessions that"
        " end otherwise leave the count. n: sessions that reach the turn. 95% intervals over users."
        " Users who are more likely to leave go first, which alone makes later turns look better."
    )
    ends = np.nanmax([[mark.estimate, mark.high] for mark in marks])
    figure = row_plot(
        marks, axis_ticks(0, ends, tick), "abandoned after the turn, of sessions at it"
    )
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def _settings(settings: pd.DataFrame) -> Plot:
    name, question = "settings", "Does the model say the same under other settings?"
    columns = ("Setting", "Strongest predictor", "Sessions", "Abandoned", "Users")
    columns += ("Errors, odds ratio per SD", "95% interval", "AUC", "95% interval", "Note")
    marks, rows = [], []
    for row in records(settings):
        label, declined = clean(row["setting"]), row["declined"]
        ratio, low, high = (_known(row[f"{RATIO}{end}"]) for end in ("", "_ci_low", "_ci_high"))
        auc = [_known(row[f"auc_{end}"]) for end in ("estimate", "ci_low", "ci_high")]
        named = "" if declined else clean(row["strongest_predictor"] or "no evidence")
        counts = [count(row[key]) for key in ("n_sessions", "n_events", "n_users")]
        cells = [_written(ratio), span(low, high, odds_ratio)]
        cells += [_written(auc[0]), span(*auc[1:], odds_ratio), clean(declined) if declined else ""]
        rows.append((label, named, *counts, *cells))
        if not np.isfinite([ratio, low, high]).all():
            marks.append(Mark(shorten(label, 32), "no estimate"))
            continue
        text = f"{odds_ratio(ratio)} ({span(low, high, odds_ratio)})"
        hollow = low <= 1 <= high
        label = f"{shorten(label, 20)} · n {count(row['n_sessions'])}"
        marks.append(Mark(label, text, ratio, low, high, hollow))
    drawn = [end for m in marks for end in (m.low, m.high) if np.isfinite(end)]
    if not drawn:
        reason = "No setting has an odds ratio for errors."
        return Plot(name, question, None, reason, columns, rows)
    ticks = axis_ticks(min([1.0, *drawn]), max([1.0, *drawn]), odds_ratio)
    note = (
        "Odds ratio of abandonment per standard deviation of the share of errors in the opening."
        " k: user turns of the opening. n: sessions, which settings share. Hollow: the 95% interval"
        " includes 1."
    )
    figure = row_plot(marks, ticks, "odds ratio of errors per standard deviation", reference=1)
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)


def _known(value) -> float:
    return np.nan if value is None else float(value)


def _written(value: float) -> str:
    return odds_ratio(value) if np.isfinite(value) else "–"

"""The section on how outcomes settle, and on the days whose outcomes have not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from voice_ai_analytics.report.figures import Mark, Plot, axis_ticks, describe, row_plot, svg
from voice_ai_analytics.wording import count, day, percent, tick

TABLES = ("voice_ai_outcome_settling", "voice_ai_outcome_maturity")
NOT_YET = (
    "It isn't known how outcomes settle, because there is no history yet: leave the var"
    " voice_ai_snapshot true and run dbt build."
)
SHOWN_AGES = (0, 1, 2, 3, 4, 5, 7, 10, 14, 21)


def plots(history: dict[str, pd.DataFrame] | None) -> list[Plot]:
    """Return the share of outcomes that are settled, by age of the session.

    Parameters
    ----------
    history : dict of str to pandas.DataFrame, or None
        `TABLES`; None where no history is kept.

    Returns
    -------
    list of Plot
        One, or none without history.
    """
    return [_settling(_by_age(history))] if history else []


def sentences(history: dict[str, pd.DataFrame] | None) -> list[str]:
    """Return how many outcomes change later, and from which day on sessions aren't mature.

    Parameters
    ----------
    history : dict of str to pandas.DataFrame, or None
        As for `plots`.

    Returns
    -------
    list of str
        They also say what isn't known.
    """
    if not history:
        return [NOT_YET]
    ages = _by_age(history)
    known = ages[ages["settled_proportion"].notna()]
    horizon = len(ages)
    if known.empty:
        return [
            "It isn't known yet how long outcomes take to settle, nor which days are mature: at"
            f" most {count(ages['sessions_at_horizon'].max())} sessions have been followed to the"
            f" age of {horizon} days."
        ]
    first = known.iloc[0]
    return [
        f"At the age of {_days(first['age_days'])}, {percent(first['settled_proportion'])} of"
        f" outcomes were settled: they didn't change until {horizon} days (n"
        f" {count(first['sessions'])} sessions, {count(first['sessions_at_horizon'])} of them"
        " followed that long without a change).",
        _maturity(history),
    ]


def immature_from(history: dict[str, pd.DataFrame] | None) -> pd.Timestamp | None:
    """Return the first day whose outcomes are still expected to change.

    Parameters
    ----------
    history : dict of str to pandas.DataFrame, or None
        As for `plots`.

    Returns
    -------
    pandas.Timestamp or None
        None where all days are mature, or where that isn't known; `sentences` says which.
    """
    days = _unsettled(history) if history else ()
    return days["started_on"].min() if len(days) else None


def _by_age(history: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return history["voice_ai_outcome_settling"].astype(float).sort_values("age_days")


def _unsettled(history: dict[str, pd.DataFrame]) -> pd.DataFrame:
    days = history["voice_ai_outcome_maturity"]
    days = days.assign(started_on=pd.to_datetime(days["started_on"]))
    return days[days["is_mature"].astype("boolean").eq(False).fillna(False)]


def _maturity(history: dict[str, pd.DataFrame]) -> str:
    days = history["voice_ai_outcome_maturity"]
    unsettled, unknown = _unsettled(history), days[days["is_mature"].isna()]
    if len(unsettled):
        n = unsettled["sessions"].astype(float)
        share = (n * unsettled["expected_change_proportion"].astype(float)).sum() / n.sum()
        text = (
            f"Days from {day(unsettled['started_on'].min())} on are not mature: of {count(n.sum())}"
            f" outcomes, {percent(share)} are still expected to change. Don't read a change in"
            " their numbers as a trend."
        )
    else:
        mature = _days(len(days) - len(unknown))
        text = f"Mature: {mature} of sessions; few of their outcomes will still change."
    if len(unknown):
        text += f" For {_days(len(unknown))}, too few sessions of that age were followed to tell."
    return text


def _days(age: float) -> str:
    return "1 day" if age == 1 else f"{age:,.0f} days"


def _settling(ages: pd.DataFrame) -> Plot:
    name, question = "settling", "How long does it take until outcomes no longer change?"
    columns = ("Age", "Settled", "Sessions", "Followed to the end", "Changed later")
    rows = [
        (
            _days(one.age_days),
            percent(one.settled_proportion, "too few sessions"),
            count(one.sessions),
            count(one.sessions_at_horizon),
            count(one.changed_sessions),
        )
        for one in ages.itertuples()
    ]
    known = ages[ages["settled_proportion"].notna()]
    if known.empty:
        reason = f"Too few sessions have been followed for {len(ages)} days."
        return Plot(name, question, None, reason, columns, rows)
    marks = [
        Mark(
            f"{_days(one.age_days)} · n {count(one.sessions)}",
            percent(one.settled_proportion),
            one.settled_proportion,
        )
        for one in known[known["age_days"].isin(SHOWN_AGES)].itertuples()
    ]
    note = (
        f"Share of outcomes that don't change between this age and {len(ages)} days (Kaplan-Meier);"
        " no interval. n: sessions whose outcome was seen at this age and a day later."
    )
    ends = known["settled_proportion"]
    ticks = axis_ticks(np.floor(20 * ends.min()) / 20, 1, tick)
    figure = row_plot(marks, ticks, "settled, share of sessions")
    return Plot(name, question, svg(figure, name, question, describe(marks)), note, columns, rows)

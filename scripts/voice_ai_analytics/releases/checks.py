"""Checks of the assumptions of a comparison of two ASR releases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from voice_ai_analytics.releases.effects import Strata, cautious, standardise
from voice_ai_analytics.releases.frame import MIX
from voice_ai_analytics.statistics.intervals import clustered

ALPHA = 0.1  # for a trend: missing one is worse than a false alarm
FEWEST_WEEKS = 4  # of each release


@dataclass(frozen=True)
class Trend:
    """The trend within both releases, extended from the middle of one to the middle of the other.

    Parameters
    ----------
    change : float
        By how much the trend alone changes the rate between these middles.
    p_value : float
        For no trend.
    n : int
        Sessions that it is estimated from.
    left : dict
        `difference` with its interval, without that change.
    """

    change: float
    p_value: float
    n: int
    left: dict

    @property
    def is_in_the_way(self) -> bool:
        """Return whether a trend in the same direction may explain the whole difference."""
        difference = self.left["difference"] + self.change
        leaves = self.left["ci_low"] > 0 if difference > 0 else self.left["ci_high"] < 0
        return bool(self.p_value < ALPHA and difference * self.change > 0 and not leaves)


def trend(
    rows: pd.DataFrame, strata: Strata, difference: float, influence: np.ndarray
) -> Trend | None:
    """Return the trend within both releases, and an adjusted difference without it.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.
    strata : Strata
        Of these rows.
    difference, influence
        From `adjusted`.

    Returns
    -------
    Trend or None
        None where a release has fewer than 4 weeks.
    """
    inside = strata.inside
    compared = rows[inside]
    if compared.groupby("is_after")["week"].nunique().min() < FEWEST_WEEKS:
        return None
    time = ((compared["week"] - compared["week"].min()).dt.days / 7).to_numpy()
    is_after = compared["is_after"].to_numpy()
    slope, shares = _trend(compared, 2 * strata.codes[inside] + is_after, time)
    weight = compared["denominator"].to_numpy()
    earlier, later = (
        np.average(time[is_after == arm], weights=weight[is_after == arm]) for arm in (False, True)
    )
    change = (later - earlier) * slope
    left = influence[inside] - (later - earlier) * shares
    remaining = {"difference": difference - change} | cautious(difference - change, left, compared)
    p_value = cautious(slope, shares, compared)["p_value"]
    return Trend(change, p_value, len(compared), remaining)


def _trend(rows: pd.DataFrame, strata: np.ndarray, time: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the slope of a rate over time, within strata and releases."""
    numerator, denominator = (rows[name].to_numpy() for name in ("numerator", "denominator"))
    size = strata.max() + 1
    totals = np.bincount(strata, denominator, size)
    centred = time - (np.bincount(strata, denominator * time, size) / totals)[strata]
    rate = (np.bincount(strata, numerator, size) / totals)[strata]
    residual = numerator - rate * denominator
    scale = denominator @ centred**2
    slope = centred @ residual / scale
    return float(slope), centred * (residual - slope * centred * denominator) / scale


def mix_shift(rows: pd.DataFrame, strata: Strata, influence: np.ndarray, difference: float) -> dict:
    """Return how much of the raw difference comes from the mix of sessions.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.
    strata : Strata
        Of these rows.
    influence, difference
        From `adjusted`.

    Returns
    -------
    dict
        `value`, raw minus adjusted, with its interval and `p_value`.
    """
    whole = np.zeros(len(rows), dtype=int)
    raw, shares, _ = standardise(rows, whole)
    found = clustered(raw - difference, shares - influence, rows["cluster"])
    ends = {name: found[name] for name in ("ci_low", "ci_high", "p_value")}
    return {"value": raw - difference} | ends


def mix_distance(rows: pd.DataFrame, columns=MIX) -> tuple[float, float]:
    """Return the distance between the mixes of both releases, and the distance by chance.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.
    columns : sequence of str
        The columns that define the mix.

    Returns
    -------
    distance, by_chance : float
        The total variation distance: the share of one release's sessions that would have to
        change for both mixes to be equal. And its approximate size for two random halves of
        independent sessions.
    """
    codes = rows.groupby(list(columns)).ngroup()
    sizes = [
        np.bincount(codes[rows["is_after"] == arm], minlength=codes.max() + 1) for arm in (0, 1)
    ]
    earlier, later = (size / size.sum() for size in sizes)
    overall = np.bincount(codes) / len(rows)
    variance = overall * (1 - overall) * sum(1 / size.sum() for size in sizes)
    by_chance = np.sqrt(2 / np.pi * variance).sum() / 2
    return float(np.abs(earlier - later).sum() / 2), float(by_chance)


def users_in_both(rows: pd.DataFrame) -> tuple[int, int]:
    """Return the number of users that both releases served, and of all users."""
    known = rows[rows["has_user"]]
    releases = known.groupby("cluster")["is_after"].nunique()
    return int((releases == 2).sum()), len(releases)

"""The weeks of two ASR releases: when one took over, and an interrupted time series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from voice_ai_analytics.releases.effects import counts
from voice_ai_analytics.statistics.intervals import LEVEL

MIXED = 0.05  # a week belongs to one release if the other has at most this share
MOST_STRAYS = 0.05
MOST_MIXED_WEEKS = 4
MOST_GAP = 4
FEWEST_SESSIONS = 10  # of a week
FEWEST_WEEKS = 8  # of each release
SERIES = "without the release, weekly rates would continue in a straight line; includes the mix"


@dataclass(frozen=True)
class Phases:
    """How one release followed another, in weeks.

    Parameters
    ----------
    last_before : pandas.Timestamp or None
        The last week with only the earlier release; None where there is none.
    first_after : pandas.Timestamp or None
        The first week with only the later release; None where there is none.
    mixed_weeks : int
        Weeks in between that both served.
    strays : float
        The share of sessions with the other release before and after.
    shared : float
        The share of sessions in weeks that both served, of the release where it is smaller.
    """

    last_before: pd.Timestamp | None
    first_after: pd.Timestamp | None
    mixed_weeks: int
    strays: float
    shared: float

    @property
    def is_clean(self) -> bool:
        """Return whether one followed the other, apart from strays."""
        return not self.why_not

    @property
    def is_side_by_side(self) -> bool:
        """Return whether at least half of each release's sessions are in shared weeks."""
        return self.shared >= 0.5

    @property
    def why_not(self) -> str:
        """Return why one didn't follow the other; empty if it did."""
        if None in (self.last_before, self.first_after):
            which = "earlier" if self.last_before is None else "later"
            return f"no week had only the {which} release"
        if self.strays > MOST_STRAYS:
            return f"{self.strays:.0%} of the sessions are on the other side of the release"
        return ""


def phases(weeks: pd.Series, is_after: pd.Series) -> Phases:
    """Return the weeks in which one release took over from another.

    Parameters
    ----------
    weeks : pandas.Series of datetime, shape (rows,)
        The week of each session.
    is_after : pandas.Series of bool, shape (rows,)
        Whether it was served by the later release.

    Returns
    -------
    Phases
        Split at the week that leaves the fewest sessions on the wrong side. Weeks around it that
        both served belong to neither.
    """
    by_week = is_after.groupby(weeks).agg(["sum", "count"]).sort_index()
    later = by_week["sum"].to_numpy()
    earlier = by_week["count"].to_numpy() - later
    before = np.r_[0, np.cumsum(later)]
    after = earlier.sum() - np.r_[0, np.cumsum(earlier)]
    start = end = int(np.argmin(before + after))
    is_mixed = np.minimum(earlier, later) > MIXED * by_week["count"].to_numpy()
    while start > 0 and is_mixed[start - 1]:
        start -= 1
    while end < len(by_week) and is_mixed[end]:
        end += 1
    strays = later[:start].sum() + earlier[end:].sum()
    shared = min(arm[is_mixed].sum() / max(arm.sum(), 1) for arm in (earlier, later))
    return Phases(
        by_week.index[start - 1] if start else None,
        by_week.index[end] if end < len(by_week) else None,
        end - start,
        float(strays / by_week["count"].sum()),
        float(shared),
    )


def weekly_rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a metric by week.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.

    Returns
    -------
    pandas.DataFrame
        By week in order: `rate`, `numerator`, `denominator`, `sessions`; weeks of fewer than 10
        sessions are left out.
    """
    weeks = rows.groupby("week").agg(
        numerator=("numerator", "sum"),
        denominator=("denominator", "sum"),
        sessions=("numerator", "size"),
    )
    weeks = weeks[weeks["sessions"] >= FEWEST_SESSIONS].sort_index()
    return weeks.assign(rate=weeks["numerator"] / weeks["denominator"])


def interrupted(rows: pd.DataFrame, found: Phases) -> tuple[list[dict], str]:
    """Return by how much a weekly rate jumped at the release, and departs from its line at the end.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`, with both releases.
    found : Phases
        Of these rows.

    Returns
    -------
    effects : list of dict
        `difference` with its interval, at the release and in the last week, and counts of the
        sessions before and after. Empty where it declines.
    declined : str
        Why, or empty.
    """
    if not found.is_clean:
        return [], f"the releases were served side by side: {found.why_not}"
    if found.mixed_weeks > MOST_MIXED_WEEKS:
        return [], (
            f"the releases were served side by side for {found.mixed_weeks} weeks; a series allows"
            f" at most {MOST_MIXED_WEEKS}"
        )
    gap = (found.first_after - found.last_before).days // 7 - 1
    if gap > MOST_GAP:
        return (
            [],
            f"{gap} weeks lie between the releases; a series allows at most {MOST_GAP}",
        )
    weeks = weekly_rates(rows)
    before = weeks[weeks.index <= found.last_before]
    after = weeks[weeks.index >= found.first_after]
    if min(len(before), len(after)) < FEWEST_WEEKS:
        return [], (
            f"{len(before)} weeks before and {len(after)} after; a series needs {FEWEST_WEEKS} each"
        )
    chosen = pd.concat([before, after])
    time = (chosen.index - found.first_after).days.to_numpy() / 7
    used = rows[rows["week"].isin(chosen.index)]
    counted = counts(used.assign(is_after=used["week"] >= found.first_after))
    return [counted | one for one in segmented(chosen["rate"].to_numpy(), time)], ""


def segmented(rate: np.ndarray, time: np.ndarray) -> list[dict]:
    """Return the differences between a line before and a line after, with autocorrelated errors.

    Parameters
    ----------
    rate : numpy.ndarray, shape (weeks,)
        The weekly rate.
    time : numpy.ndarray, shape (weeks,)
        Weeks since the release, negative before it.

    Returns
    -------
    list of dict
        The difference of the two lines at time 0 and in the last week: `difference`,
        `std_error`, `ci_low`, `ci_high`, `p_value`, `autocorrelation`, `clusters` (weeks) and
        `effective_clusters`.

    Notes
    -----
    Segmented regression by least squares: Wagner and others, *Journal of Clinical Pharmacy and
    Therapeutics* 27 (2002), with autoregressive errors of order 1. The autocorrelation of
    residuals is too small. It is converted to the autocorrelation of errors that has it as its
    expected value, plus half a standard error (Andrews, *Econometrica* 61 (1993), for the median).
    Student's t has the effective degrees of freedom of n - 4 weeks, (1 - r) / (1 + r) of them.
    Newey and West's errors, which need no model, aren't used: in series this short their
    intervals cover the truth too rarely, as a test shows.
    """
    is_after = time >= 0
    design = np.column_stack([np.ones(len(time)), time, is_after, is_after * time])
    contrasts = np.array([[0, 0, 1, 0], [0, 0, 1, time.max()]], dtype=float)
    solve = np.linalg.pinv(design)
    coefficients = solve @ rate
    residuals = rate - design @ coefficients
    differences, squares = contrasts @ coefficients, (residuals**2).sum()
    n, freedom = len(time), len(time) - 4
    unknown = dict.fromkeys(("std_error", "ci_low", "ci_high", "p_value"), np.nan)
    counted = {"clusters": n, "effective_clusters": float(n), "clustered_by": "week"}
    if squares <= 1e-12 * (rate**2).sum():
        return [{"difference": float(d)} | unknown | counted for d in differences]
    observed = residuals[1:] @ residuals[:-1] / squares + 0.5 / np.sqrt(n)
    r, scale = _autocorrelation(observed, np.eye(n) - design @ solve, time)
    spread = contrasts @ solve
    errors = np.sqrt(np.einsum("ij,jk,ik->i", spread, _alike(r, time), spread) * squares / scale)
    worth = (1 - r) / (1 + r)
    reference = stats.t(max(freedom * worth, 1))
    margins = reference.ppf((1 + LEVEL) / 2) * errors
    counted |= {"effective_clusters": n * worth, "autocorrelation": r}
    return [
        {
            "difference": float(difference),
            "std_error": float(error),
            "ci_low": float(difference - margin),
            "ci_high": float(difference + margin),
            "p_value": float(2 * reference.sf(abs(difference) / error)),
        }
        | counted
        for difference, error, margin in zip(differences, errors, margins, strict=True)
    ]


def _alike(r: float, time: np.ndarray) -> np.ndarray:
    """Return the correlation of weeks by their distance."""
    return r ** np.abs(np.subtract.outer(time, time))


def _autocorrelation(observed: float, leftover: np.ndarray, time: np.ndarray):
    """Return the autocorrelation of errors, and the expected sum of squared residuals."""
    grid = np.linspace(0, 0.95, 39)
    expected, scales = [], []
    for r in grid:
        spread = leftover @ _alike(r, time) @ leftover
        scales.append(np.trace(spread))
        expected.append(np.trace(spread, offset=1) / scales[-1])
    expected = np.maximum.accumulate(expected)
    r = float(np.interp(observed, expected, grid))
    return r, float(np.interp(r, grid, scales))

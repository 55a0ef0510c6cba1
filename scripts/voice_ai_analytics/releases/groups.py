"""Difference in differences, where a release reached only some languages or channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from voice_ai_analytics.releases.checks import ALPHA
from voice_ai_analytics.releases.effects import FEWEST_CLUSTERS, cautious, counts, says_little
from voice_ai_analytics.releases.series import phases

BY = (("language",), ("channel",), ("language", "channel"))
NEVER = 0.02  # at most this share of a group's sessions with the later release
FEWEST_PRE_WEEKS = 4
DIFFERENCES = "without the release, groups that switched would have changed like those that kept"


@dataclass(frozen=True)
class Design:
    """Groups that switched to the later release, and groups that kept the earlier one.

    Parameters
    ----------
    by : tuple of str
        The columns that define the groups.
    rows : pandas.DataFrame
        From `metric_rows`, of groups that switched or kept, outside the weeks of switching; and
        `group`, `is_treated`, `is_post`.
    treated, controls : list of str
        Names of the groups.
    left_out : int
        Sessions in neither, or in the weeks of switching.
    """

    by: tuple[str, ...]
    rows: pd.DataFrame
    treated: list[str]
    controls: list[str]
    left_out: int


def find_design(rows: pd.DataFrame) -> Design | None:
    """Return groups that switched, and groups that kept the earlier release in the same weeks.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.

    Returns
    -------
    Design or None
        By language, else by channel, else by both; None where all groups switched, or none.
    """
    for by in BY:
        names = reduce(lambda left, right: left + " · " + right, (rows[name] for name in by))
        treated, controls, ends = [], [], []
        for name, group in rows.groupby(names):
            if group["is_after"].mean() <= NEVER:
                controls.append(name)
                continue
            found = phases(group["week"], group["is_after"])
            if found.is_clean:
                treated.append(name)
                ends.append((found.last_before, found.first_after))
        if not treated or not controls:
            continue
        last_before, first_after = min(end[0] for end in ends), max(end[1] for end in ends)
        keep = names.isin(treated + controls)
        keep &= (rows["week"] <= last_before) | (rows["week"] >= first_after)
        chosen = rows[keep].assign(
            group=names[keep],
            is_treated=names[keep].isin(treated),
            is_post=rows.loc[keep, "week"] >= first_after,
        )
        cells = chosen.groupby(["is_treated", "is_post"])["cluster"].nunique()
        if len(cells) == 4:
            return Design(by, chosen, treated, controls, int((~keep).sum()))
    return None


def difference_in_differences(design: Design) -> tuple[dict, str]:
    """Return by how much groups that switched changed more than groups that kept.

    Parameters
    ----------
    design : Design
        From `find_design`.

    Returns
    -------
    effect : dict
        `difference` with its interval and counts of the sessions before and after, and `trend`,
        by how much more the rate of groups that switched rose a week before the release, with
        `trend_p_value`: of equal trends before, or within both periods, whichever is smaller,
        doubled.
    declined : str
        Why the estimate is missing or can't be trusted, or empty.

    Notes
    -----
    Least squares on groups, weeks and the release; groups that switch at different times are
    compared before the first and after the last did, so that none that has switched is a control
    (Goodman-Bacon, *Journal of Econometrics* 225 (2021)). Errors by user, or by group and week
    where these are at least 30 and wider (Bertrand, Duflo, Mullainathan, *Quarterly Journal of
    Economics* 119 (2004)).
    """
    rows = design.rows
    cells = rows.groupby(["is_treated", "is_post"])["cluster"].nunique()
    if cells.min() < FEWEST_CLUSTERS:
        return {}, (
            f"groups that switched or kept have {cells.min()} users in a period; an interval needs"
            f" {FEWEST_CLUSTERS}"
        )
    if declined := says_little(rows, ["is_treated", "is_post"]):
        return {}, declined
    before = rows[~rows["is_post"]]
    if before.groupby("is_treated")["week"].nunique().min() < FEWEST_PRE_WEEKS:
        return {}, f"fewer than {FEWEST_PRE_WEEKS} weeks before, so trends can't be compared"
    week = (rows["week"] - rows["week"].min()).dt.days / 7
    own_week = rows["is_treated"] * week
    trend = _effect(before, own_week[before.index])
    periods = rows.assign(group=rows["group"] + np.where(rows["is_post"], " after", " before"))
    throughout = _effect(periods, own_week)
    effect = _effect(rows, (rows["is_treated"] & rows["is_post"]).astype(float))
    effect |= counts(rows.assign(is_after=rows["is_post"]))
    p_value = min(2 * min(trend["p_value"], throughout["p_value"]), 1.0)
    effect |= {"trend": trend["difference"], "trend_p_value": p_value}
    if p_value < ALPHA:
        return effect, "groups that switched had a different trend from groups that kept"
    return effect, ""


def _effect(rows: pd.DataFrame, variable: pd.Series) -> dict:
    difference, influence = within(rows, variable)
    blocks = rows["group"] + rows["week"].astype(str)
    many = blocks if blocks.nunique() >= FEWEST_CLUSTERS else rows["cluster"]
    return {"difference": difference} | cautious(difference, influence, rows, many)


def within(rows: pd.DataFrame, variable: pd.Series) -> tuple[float, np.ndarray]:
    """Return the slope of a rate on a variable, with fixed effects for groups and weeks.

    Parameters
    ----------
    rows : pandas.DataFrame
        `numerator`, `denominator`, `group` and `week`.
    variable : pandas.Series, shape (rows,)
        The same in all rows of a group and week.

    Returns
    -------
    coefficient : float
        Change of the rate per unit of the variable.
    influence : numpy.ndarray, shape (rows,)
        Each row's share of its error, for `clustered`.
    """
    cell = rows.groupby(["group", "week"], sort=True).ngroup().to_numpy()
    cells = (
        rows[["numerator", "denominator", "group", "week"]]
        .assign(variable=variable)
        .groupby(["group", "week"], sort=True)
        .agg({"numerator": "sum", "denominator": "sum", "variable": "first"})
        .reset_index()
    )
    constants = pd.get_dummies(cells[["group", "week"]].astype(str), dtype=float).to_numpy()
    total, x = cells["denominator"].to_numpy(), cells["variable"].to_numpy(dtype=float)
    rate = cells["numerator"].to_numpy() / total
    root = np.sqrt(total)

    def residual(values: np.ndarray) -> np.ndarray:
        weighted = constants * root[:, None]
        return values - constants @ np.linalg.lstsq(weighted, values * root, rcond=None)[0]

    left, explained = residual(x), residual(rate)
    scale = total @ left**2
    coefficient = (total * left) @ rate / scale
    fitted = rate - explained + coefficient * left
    errors = rows["numerator"].to_numpy() - fitted[cell] * rows["denominator"].to_numpy()
    return float(coefficient), left[cell] * errors / scale

"""Differences between two ASR releases: raw, at equal mix, and turn by turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import test_proportions_2indep

from voice_ai_analytics.releases.frame import MIX, Metric, users
from voice_ai_analytics.statistics.intervals import clustered, effective_number, newcombe

FEWEST_CLUSTERS = 30
FEWEST_WEEKS = 3  # of each release, for an error over weeks
FEWEST_TELLING = 10  # users with, and users without, what is counted
FEWEST_IN_STRATUM = 10  # users of each release
ENOUGH_SHARED = 0.9  # of the sessions of each release
LEAST_SHARED = 0.5

RAW = "sessions are independent; includes changes in the mix of sessions and over time"
ADJUSTED = "at the pooled mix of both releases; includes whatever else changed over time"
SIDE_BY_SIDE = "at the pooled mix of both releases; assumes that chance assigned the releases"
PAIRED = "the same turns under both releases"


@dataclass(frozen=True)
class Strata:
    """The mix at which two releases are compared.

    Parameters
    ----------
    columns : tuple of str
        The columns that define the strata, some of `MIX`.
    codes : numpy.ndarray of int, shape (rows,)
        The stratum of each row, from 0 upwards; -1 outside those that both releases share.
    shared : float
        The share of sessions in shared strata, of the release where it is smaller.
    """

    columns: tuple[str, ...]
    codes: np.ndarray
    shared: float

    @property
    def inside(self) -> np.ndarray:
        """Return which rows are compared."""
        return self.codes >= 0


def choose_strata(rows: pd.DataFrame) -> Strata:
    """Return the finest strata with enough of both releases, chosen without looking at outcomes.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.

    Returns
    -------
    Strata
        By as many columns of `MIX` as leave at least 90 % of each release's sessions in strata
        with 10 users of each release; where no choice does, those that leave the most.
    """
    is_after = rows["is_after"].to_numpy()
    best = None
    for depth in range(len(MIX), 0, -1):
        columns = MIX[:depth]
        codes = rows.groupby(list(columns), sort=True).ngroup().to_numpy()
        cell = 2 * codes + is_after
        size = 2 * (codes.max(initial=-1) + 1)
        is_shared = (_users_by_cell(rows, cell, size).reshape(-1, 2) >= FEWEST_IN_STRATUM).all(1)
        codes = np.where(is_shared, np.cumsum(is_shared) - 1, -1)[codes]
        shared = min((codes[is_after == arm] >= 0).mean() for arm in (False, True))
        if best is None or shared > best.shared:
            best = Strata(columns, codes, float(shared))
        if shared >= ENOUGH_SHARED:
            return Strata(columns, codes, float(shared))
    return best


def _users_by_cell(rows: pd.DataFrame, cell: np.ndarray, size: int) -> np.ndarray:
    pairs = pd.DataFrame({"cell": cell, "cluster": rows["cluster"]}).drop_duplicates()
    return np.bincount(pairs["cell"], minlength=size)


def standardise(
    rows: pd.DataFrame, strata: np.ndarray
) -> tuple[float, np.ndarray, tuple[float, float]]:
    """Return the difference between two releases at equal shares of the strata.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`, all of them in strata that both releases share.
    strata : numpy.ndarray of int, shape (rows,)
        The stratum of each row, from 0 upwards without a gap.

    Returns
    -------
    difference : float
        The later release's rate less the earlier one's.
    influence : numpy.ndarray, shape (rows,)
        Each row's share of its error, for `clustered`.
    rates : tuple of float
        The standardised rates of the earlier and of the later release.

    Notes
    -----
    Direct standardisation: strata weigh by the denominators of both releases together, and the
    influence holds that these weights are an estimate too. Rates are sums over sums, linearised
    (Woodruff, *Journal of the American Statistical Association* 66 (1971)). Residuals of a
    release's m users in a stratum are raised by the root of m / (m - 1), because they are taken
    from their own mean.
    """
    numerator, denominator = (rows[name].to_numpy() for name in ("numerator", "denominator"))
    is_after = rows["is_after"].to_numpy()
    cell, size = 2 * strata + is_after, 2 * (strata.max() + 1)
    totals = np.bincount(cell, denominator, size)
    rates = np.bincount(cell, numerator, size) / totals
    weights = totals.reshape(-1, 2).sum(1) / totals.sum()
    gaps = np.diff(rates.reshape(-1, 2))[:, 0]
    difference = weights @ gaps
    m = _users_by_cell(rows, cell, size)
    residuals = (numerator - rates[cell] * denominator) * np.sqrt(m / np.maximum(m - 1, 1))[cell]
    signs = np.where(is_after, 1, -1)
    influence = weights[strata] * signs * residuals / totals[cell]
    influence += denominator / totals.sum() * (gaps[strata] - difference)
    before, after = weights @ rates.reshape(-1, 2)
    return float(difference), influence, (float(before), float(after))


def cautious(estimate: float, influence: np.ndarray, rows: pd.DataFrame, blocks=None) -> dict:
    """Return the interval clustered by user or by week, whichever is wider.

    Parameters
    ----------
    estimate, influence
        As for `clustered`.
    rows : pandas.DataFrame
        From `metric_rows`, row by row with the influence.
    blocks : array_like, shape (rows,), optional
        Clusters to use instead of weeks; None in a row without influence.

    Returns
    -------
    dict
        As from `clustered`, and `clustered_by`: `user` or `week`. Weeks are used only where each
        release has at least 3 of them.
    """
    found = clustered(estimate, influence, rows["cluster"]) | {"clustered_by": "user"}
    if blocks is None:
        if rows.groupby("is_after")["week"].nunique().reindex([False, True]).min() < FEWEST_WEEKS:
            return found
        blocks = rows["week"]
    by_week = clustered(estimate, influence, pd.factorize(blocks)[0])
    if by_week["ci_high"] - by_week["ci_low"] > found["ci_high"] - found["ci_low"]:
        return by_week | {"clustered_by": "week"}
    return found


def counts(rows: pd.DataFrame) -> dict:
    """Return denominators, sessions, users and clusters of each release."""
    result = {}
    for arm, name in ((False, "before"), (True, "after")):
        chosen = rows[rows["is_after"] == arm]
        result |= {
            f"n_{name}": float(chosen["denominator"].sum()),
            f"sessions_{name}": len(chosen),
            f"users_{name}": int(chosen.loc[chosen["has_user"], "cluster"].nunique()),
            f"clusters_{name}": int(chosen["cluster"].nunique()),
        }
    return result


def too_few(counted: dict, before: str, after: str) -> str:
    """Return that a release has too few users for an interval, or an empty string."""
    for name, model in (("before", before), ("after", after)):
        if counted[f"clusters_{name}"] < FEWEST_CLUSTERS:
            return (
                f"{model} has {counted[f'clusters_{name}']} users; an interval needs"
                f" {FEWEST_CLUSTERS}"
            )
    return ""


def says_little(rows: pd.DataFrame, sides: list[str]) -> str:
    """Return why the users of one side are too few for an interval, or an empty string.

    A few heavy users leave few effective ones. And a side where it never or always happened
    doesn't vary: it would add nothing to the standard error, and the interval would be too short.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.
    sides : list of str
        The columns whose values define the sides that are compared.

    Returns
    -------
    str
    """
    sizes = rows.groupby([*sides, "cluster"])["denominator"].sum()
    if declined := too_uneven(sizes.groupby(sides).agg(effective_number).min()):
        return declined
    had = rows["numerator"] > 0, rows["numerator"] < rows["denominator"]
    groups = [rows[name] for name in sides]
    telling = [rows["cluster"].where(side).groupby(groups).nunique().min() for side in had]
    if min(telling) < FEWEST_TELLING:
        return (
            f"too rare or too common: on one side, fewer than {FEWEST_TELLING} users had it, or"
            " didn't"
        )
    return ""


def too_uneven(worth: float) -> str:
    """Return that users are too uneven in size for an interval, or an empty string."""
    if worth >= FEWEST_CLUSTERS:
        return ""
    return (
        f"a few users account for most of it: effectively there are {worth:.0f} users, and an"
        f" interval needs {FEWEST_CLUSTERS}"
    )


def raw(rows: pd.DataFrame, metric: Metric) -> dict:
    """Return the difference between all sessions as they are.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`, with both releases.
    metric : Metric
        Of these rows.

    Returns
    -------
    dict
        `rate_before`, `rate_after`, `difference`, `ci_low`, `ci_high`, `p_value`; Newcombe's
        interval and the score test for shares of sessions, else linearised by session.
    """
    both = [rows[rows["is_after"] == arm] for arm in (True, False)]
    sums = [(float(arm["numerator"].sum()), float(arm["denominator"].sum())) for arm in both]
    (after, n_after), (before, n_before) = sums
    result = {"rate_before": before / n_before, "rate_after": after / n_after}
    result["difference"] = result["rate_after"] - result["rate_before"]
    if metric.is_ratio:
        alone = np.arange(len(rows))
        difference, influence, _ = standardise(
            rows.assign(cluster=alone), np.zeros(len(rows), dtype=int)
        )
        return result | clustered(difference, influence, alone) | {"clustered_by": "session"}
    low, high = newcombe(after, n_after, before, n_before)
    p_value = np.nan
    if 0 < after + before < n_after + n_before:
        # It also computes an odds ratio, which a rate of 0 doesn't have.
        with np.errstate(divide="ignore"):
            p_value = test_proportions_2indep(
                after, n_after, before, n_before, method="score", correction=False
            ).pvalue
    return result | {"ci_low": low, "ci_high": high, "p_value": float(p_value)}


def adjusted(rows: pd.DataFrame, strata: Strata) -> tuple[dict, np.ndarray]:
    """Return the difference between sessions in shared strata, at equal mix.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`, with both releases.
    strata : Strata
        Of these rows.

    Returns
    -------
    effect : dict
        As from `raw`, with counts of the sessions compared.
    influence : numpy.ndarray, shape (rows,)
        Of all rows; 0 outside the strata.
    """
    inside = strata.inside
    compared = rows[inside]
    difference, shares, (before, after) = standardise(compared, strata.codes[inside])
    influence = np.zeros(len(rows))
    influence[inside] = shares
    effect = {"rate_before": before, "rate_after": after, "difference": difference}
    return effect | cautious(difference, shares, compared) | counts(compared), influence


def paired(evaluations: pd.DataFrame) -> dict | None:
    """Return the difference in word errors on the turns that both releases transcribed.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        From `read_releases`.

    Returns
    -------
    dict or None
        As from `raw`, with counts and the effective number of users, `worth`; None where both
        transcribed no turn.
    """
    if evaluations.empty:
        return None
    both = evaluations[evaluations["paired_words_before"] > 0].reset_index(drop=True)
    if both.empty or both["paired_words_after"].sum() == 0:
        return None
    influence, rates, result = 0, {}, {}
    for name, sign in (("before", -1), ("after", 1)):
        errors, words = (
            both[f"paired_{kind}_{name}"].to_numpy(dtype=float) for kind in ("errors", "words")
        )
        rates[name] = errors.sum() / words.sum()
        influence = influence + sign * (errors - rates[name] * words) / words.sum()
        result |= {f"rate_{name}": rates[name], f"n_{name}": words.sum()}
        result |= {f"sessions_{name}": len(both), f"users_{name}": both["user_key"].nunique()}
    clusters = users(both)
    result |= {f"clusters_{name}": len(np.unique(clusters)) for name in rates}
    result["worth"] = effective_number(np.bincount(clusters, both["paired_words_before"]))
    difference = rates["after"] - rates["before"]
    return (
        result
        | {"difference": difference}
        | clustered(difference, influence, clusters)
        | {"clustered_by": "user"}
    )

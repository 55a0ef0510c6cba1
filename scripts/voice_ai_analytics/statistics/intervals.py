"""95% intervals of proportions and of their differences, from counts or from clusters."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

LEVEL = 0.95


def wilson(successes, trials) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval of each proportion.

    Parameters
    ----------
    successes, trials : array_like of float, shape (n,)
        Counts; null is allowed.

    Returns
    -------
    low, high : numpy.ndarray, shape (n,)
        In [0, 1]; NaN where a count is null, there is no trial, or the counts contradict.

    Notes
    -----
    Wilson (1927), as recommended by Newcombe, Statistics in Medicine 17 (1998) 857-872.
    """
    successes, trials = (np.asarray(counts, dtype=float) for counts in (successes, trials))
    low, high = np.full(trials.shape, np.nan), np.full(trials.shape, np.nan)
    known = (trials > 0) & (successes >= 0) & (successes <= trials)
    low[known], high[known] = proportion_confint(
        successes[known], trials[known], alpha=1 - LEVEL, method="wilson"
    )
    return low, high


def newcombe(
    successes_1: float, trials_1: float, successes_2: float, trials_2: float
) -> tuple[float, float]:
    """Return Newcombe's hybrid score interval of the first proportion minus the second.

    Parameters
    ----------
    successes_1, trials_1, successes_2, trials_2 : float
        Counts of two independent samples; null is allowed.

    Returns
    -------
    low, high : float
        In [-1, 1]; NaN where a count is null, a sample is empty, or the counts contradict.

    Notes
    -----
    Method 10 of Newcombe, Statistics in Medicine 17 (1998) 873-890.
    """
    samples = ((successes_1, trials_1), (successes_2, trials_2))
    if not all(n > 0 and 0 <= k <= n for k, n in samples):
        return np.nan, np.nan
    low, high = confint_proportions_2indep(
        successes_1, trials_1, successes_2, trials_2, method="newcomb", alpha=1 - LEVEL
    )
    return float(low), float(high)


def user_clusters(users: pd.Series) -> np.ndarray:
    """Return the number of each row's user, from 0 upwards; a row without one is its own cluster.

    Parameters
    ----------
    users : pandas.Series, shape (rows,)
        Keys of users; null where not known.

    Returns
    -------
    numpy.ndarray of int, shape (rows,)
    """
    codes, known = pd.factorize(users)
    alone = codes < 0
    codes[alone] = len(known) + np.arange(alone.sum())
    return codes


def effective_number(sizes) -> float:
    """Return the effective number of clusters: how many of equal size carry as much information.

    Parameters
    ----------
    sizes : array_like of float, shape (clusters,)
        Such as the sessions of each user.

    Returns
    -------
    float
        Kish (1965), *Survey sampling*; 0 where there are none.
    """
    sizes = np.asarray(sizes, dtype=float)
    return float(sizes.sum() ** 2 / max((sizes**2).sum(), 1e-300))


def clustered(estimate: float, influence, clusters) -> dict[str, float]:
    """Return interval and p value of an estimate from what each row contributes to its error.

    Parameters
    ----------
    estimate : float
        Such as a difference of two proportions.
    influence : array_like of float, shape (rows,)
        Each row's share of the estimate's error, in its unit, summing to about 0. For the
        difference of two proportions that is (y - p_1) / n_1 in the first sample and
        -(y - p_2) / n_2 in the second.
    clusters : array_like of int, shape (rows,)
        The cluster of each row, from 0 upwards; clusters are independent, their rows need not be.

    Returns
    -------
    dict of str to float
        `std_error`, `ci_low`, `ci_high`, `p_value` (two-sided, for an estimate of 0), `clusters`
        (how many contribute) and `effective_clusters`; NaN where fewer than two contribute or none
        varies.

    Notes
    -----
    The linearized variance with the factor G / (G - 1): Liang and Zeger (1986). The reference is
    Student's t with the effective number of clusters minus one, from Kish's formula over the sums
    of squared influences. It equals Satterthwaite's where these are known.
    """
    influence, clusters = np.asarray(influence, dtype=float), np.asarray(clusters)
    rows = np.bincount(clusters, influence != 0)
    sums = np.bincount(clusters, influence)[rows > 0]
    variances = np.bincount(clusters, influence**2)[rows > 0]
    unknown = dict.fromkeys(("std_error", "ci_low", "ci_high", "p_value"), np.nan)
    counts = {"clusters": len(sums), "effective_clusters": float(len(sums))}
    if len(sums) < 2 or not (sums != 0).any():
        return unknown | counts
    counts["effective_clusters"] = variances.sum() ** 2 / (variances**2).sum()
    error = np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())
    reference = stats.t(max(counts["effective_clusters"] - 1, 1))
    margin = reference.ppf((1 + LEVEL) / 2) * error
    return {
        "std_error": error,
        "ci_low": estimate - margin,
        "ci_high": estimate + margin,
        "p_value": 2 * reference.sf(abs(estimate) / error),
    } | counts

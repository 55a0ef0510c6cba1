"""95 % intervals of proportions and of their differences, from counts."""

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

LEVEL = 0.95


def wilson(successes, trials) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of each proportion.

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
    """Newcombe's hybrid score interval of the first proportion less the second.

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

"""Firth's penalised logistic regression: finite estimates where maximum likelihood has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, stats

from voice_ai_analytics.statistics.logistic import expit, solve

MAX_ITERATIONS = 200
TOLERANCE = 1e-8
LONGEST_STEP = 5.0
LEVEL = 0.95


@dataclass(frozen=True)
class FirthFit:
    """A fit by penalised maximum likelihood.

    Parameters
    ----------
    params : numpy.ndarray, shape (columns,)
        Log-odds per unit of each column.
    covariance : numpy.ndarray, shape (columns, columns)
        The inverse of the information at `params`.
    llf : float
        The penalised log-likelihood.
    converged : bool
        Whether the last step was below 1e-8 in every parameter.
    """

    params: np.ndarray
    covariance: np.ndarray
    llf: float
    converged: bool


def fit_firth(
    columns: np.ndarray,
    outcome: np.ndarray,
    start: np.ndarray | None = None,
    fixed: int | None = None,
) -> FirthFit:
    """Return the fit that maximizes the likelihood times Jeffreys' prior.

    Parameters
    ----------
    columns : numpy.ndarray of float, shape (rows, columns)
        Of full rank, with a column of ones for the intercept.
    outcome : numpy.ndarray of float, shape (rows,)
        0 or 1.
    start : numpy.ndarray of float, shape (columns,), optional
        Starting values.
    fixed : int, optional
        The column whose parameter keeps its starting value; the penalty still includes it.

    Returns
    -------
    FirthFit

    Notes
    -----
    Firth (1993); Newton's steps on the modified score X'(y - p + h (1/2 - p)), with h the
    diagonal of the hat matrix, halved until they climb: Heinze and Schemper (2002).
    """
    params = np.zeros(columns.shape[1]) if start is None else np.array(start, dtype=float)
    free = np.arange(len(params)) != fixed
    llf, score, information = _penalised(params, columns, outcome)
    for _ in range(MAX_ITERATIONS):
        step = np.zeros(len(params))
        step[free] = solve(information[np.ix_(free, free)], score[free])
        step *= min(1.0, LONGEST_STEP / np.abs(step).max(initial=1e-300))
        while True:
            found = _penalised(params + step, columns, outcome)
            if found[0] >= llf - 1e-10 * abs(llf) or np.abs(step).max() <= TOLERANCE:
                break
            step = step / 2
        params, (llf, score, information) = params + step, found
        if np.abs(step).max() <= TOLERANCE:
            return FirthFit(params, linalg.pinvh(information), llf, True)
    return FirthFit(params, linalg.pinvh(information), llf, False)


def profile(
    fit: FirthFit, column: int, columns: np.ndarray, outcome: np.ndarray
) -> dict[str, float]:
    """Return interval and test of one parameter from the profile of the penalized likelihood.

    Parameters
    ----------
    fit : FirthFit
        Of the same columns and outcome.
    column : int
        Whose parameter.
    columns, outcome : numpy.ndarray
        As for `fit_firth`. Rows count as independent.

    Returns
    -------
    dict of str to float
        `ci_low` and `ci_high`, the 95% interval, NaN where the profile doesn't fall far enough
        within 100 standard errors; `p_value` of the penalized likelihood-ratio test against 0.

    Notes
    -----
    Heinze and Schemper (2002). An interval from the standard error would be symmetric, but under
    separation the likelihood isn't.
    """
    drop = stats.chi2.ppf(LEVEL, 1)
    error = np.sqrt(fit.covariance[column, column])

    def fall(value: float) -> float:
        start = fit.params.copy()
        start[column] = value
        return 2 * (fit.llf - fit_firth(columns, outcome, start, column).llf)

    def end(side: int) -> float:
        near, far = 0.0, 2.0
        while fall(fit.params[column] + side * far * error) < drop:
            near, far = far, far * 2
            if far > 100:
                return np.nan
        at = optimize.brentq(
            lambda errors: fall(fit.params[column] + side * errors * error) - drop,
            near,
            far,
            xtol=1e-6,
        )
        return fit.params[column] + side * at * error

    return {
        "ci_low": end(-1),
        "ci_high": end(1),
        "p_value": float(stats.chi2.sf(max(fall(0.0), 0.0), 1)),
    }


def _penalised(
    params: np.ndarray, columns: np.ndarray, outcome: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the penalized log-likelihood, modified score and information."""
    log_odds = columns @ params
    chance = expit(log_odds)
    weight = chance * (1 - chance)
    information = columns.T @ (columns * weight[:, None])
    hat = weight * ((columns @ linalg.pinvh(information)) * columns).sum(axis=1)
    score = columns.T @ (outcome - chance + hat * (0.5 - chance))
    llf = outcome @ log_odds - np.logaddexp(0, log_odds).sum()
    return llf + np.linalg.slogdet(information)[1] / 2, score, information

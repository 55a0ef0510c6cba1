"""Logistic regression with standard errors clustered by user, fast enough for millions of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

MAX_ITERATIONS = 30
TOLERANCE = 1e-8
# This many rows of the columns, and their weighted copy, fit into a core's cache.
BLOCK = 8192
# From here on, a first fit to every hundredth row pays off: it saves a step over all rows.
LARGE, EVERY = 200_000, 100
# A first step from probabilities of 3/4 and 1/4, as in statsmodels.
FIRST_RESPONSE = np.log(3) + 4 / 3


@dataclass(frozen=True)
class LogisticFit:
    """A fit by maximum likelihood.

    Parameters
    ----------
    params : numpy.ndarray, shape (columns,)
        Log-odds per unit of each column.
    covariance : numpy.ndarray, shape (columns, columns)
        Of `params`: the sandwich over clusters, or without them the inverse information.
    llf : float
        The log-likelihood.
    converged : bool
        Whether the last step was below 1e-8 in every parameter.
    """

    params: np.ndarray
    covariance: np.ndarray
    llf: float
    converged: bool


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Return the probabilities of log-odds, in the same shape."""
    return 0.5 * (1 + np.tanh(log_odds / 2))


def fit_logistic(
    columns: np.ndarray,
    outcome: np.ndarray,
    clusters: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> LogisticFit:
    """Return a logistic regression fitted by maximum likelihood, without a penalty.

    Parameters
    ----------
    columns : numpy.ndarray of float, shape (rows, columns)
        With a column of ones for an intercept.
    outcome : numpy.ndarray of float, shape (rows,)
        0 or 1.
    clusters : numpy.ndarray of int, shape (rows,), optional
        The cluster of each row, from 0 upwards; at least two.
    offset : numpy.ndarray of float, shape (rows,), optional
        Log-odds added to those of the columns.

    Returns
    -------
    LogisticFit
        Also where there is no finite estimate; `converged` is false then, and each of the 30 steps
        has moved a diverging log-odds by about 1.

    Notes
    -----
    Newton's method, which for this model is the iteratively reweighted least squares of McCullagh
    and Nelder (1989, section 2.5). The sandwich has the correction G/(G-1) (N-1)/(N-P) of Liang
    and Zeger (1986), as in statsmodels and Stata.
    """
    columns = np.ascontiguousarray(columns, dtype=float)
    start = None
    if len(columns) >= LARGE:
        some = slice(None, None, EVERY)
        rough = fit_logistic(columns[some], outcome[some], None, _part(offset, some))
        start = rough.params if rough.converged else None
    if start is None:
        start = _first_step(columns, outcome, offset)
    params, converged = start, False
    for _ in range(MAX_ITERATIONS):
        score, information, _ = _derivatives(params, columns, outcome, offset)
        step = solve(information, score)
        if not np.isfinite(step).all():
            break
        params = params + step
        converged = bool(np.abs(step).max() <= TOLERANCE)
        if converged:
            break
    _, information, llf = _derivatives(params, columns, outcome, offset)
    covariance = linalg.pinvh(information)
    if clusters is not None:
        residual = outcome - expit(_log_odds(params, columns, offset))
        covariance = _sandwich(covariance, columns, residual, clusters)
    return LogisticFit(params, covariance, llf, converged)


def _part(values: np.ndarray | None, rows: slice) -> np.ndarray | None:
    return None if values is None else values[rows]


def _log_odds(params: np.ndarray, columns: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    return columns @ params if offset is None else columns @ params + offset


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def _first_step(columns: np.ndarray, outcome: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    response = FIRST_RESPONSE * (2 * outcome - 1)
    if offset is not None:
        response = response - offset
    return solve(columns.T @ columns, columns.T @ response)


def _derivatives(
    params: np.ndarray, columns: np.ndarray, outcome: np.ndarray, offset: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return score, information and log-likelihood."""
    score, llf = np.zeros(len(params)), 0.0
    information = np.zeros((len(params), len(params)))
    for rows in _blocks(len(columns)):
        x, y = columns[rows], outcome[rows]
        log_odds = _log_odds(params, x, _part(offset, rows))
        chance = expit(log_odds)
        score += (y - chance) @ x
        information += x.T @ (x * (chance * (1 - chance))[:, None])
        llf += y @ log_odds - np.logaddexp(0, log_odds).sum()
    return score, information, llf


def solve(information: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return Newton's step, also where separation left no information in some direction.

    Parameters
    ----------
    information : numpy.ndarray, shape (columns, columns)
    score : numpy.ndarray, shape (columns,)

    Returns
    -------
    numpy.ndarray, shape (columns,)
        The shortest one where several steps are best.
    """
    try:
        return linalg.cho_solve(linalg.cho_factor(information), score)
    except linalg.LinAlgError:
        return linalg.lstsq(information, score)[0]


def _sandwich(
    bread: np.ndarray, columns: np.ndarray, residual: np.ndarray, clusters: np.ndarray
) -> np.ndarray:
    rows, width = columns.shape
    # Rows of one cluster are added in place: no sorting, and no copy of the columns.
    scores = sparse.csr_array((residual, clusters, np.arange(rows + 1))).T @ columns
    groups = len(np.unique(clusters))
    correction = groups / (groups - 1) * (rows - 1) / (rows - width)
    return correction * bread @ (scores.T @ scores) @ bread

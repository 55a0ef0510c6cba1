"""How well the abandonment model predicts users that it was not fitted to."""

from __future__ import annotations

import numpy as np

from voice_ai_analytics.abandonment.gates import LEVEL
from voice_ai_analytics.statistics.logistic import expit, fit_logistic


def user_folds(
    outcome: np.ndarray, clusters: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """Return each user's fold, balanced by the number of abandoned sessions."""
    events = np.bincount(clusters, outcome)
    order = np.lexsort((rng.random(len(events)), events))
    rounds = np.tile(np.arange(folds), (-(-len(events) // folds), 1))
    fold = np.empty(len(events), dtype=int)
    fold[order] = rng.permuted(rounds, axis=1).ravel()[: len(events)]
    return fold


def area_under_curve(
    outcome: np.ndarray,
    score: np.ndarray,
    clusters: np.ndarray,
    replicates: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return the area under the ROC curve, with a percentile interval from resampling users."""
    order = np.argsort(score, kind="stable")
    event, cluster, score = outcome[order], clusters[order], score[order]
    starts = np.flatnonzero(np.r_[True, np.diff(score) > 0])
    users = int(clusters.max()) + 1

    def area(weight: np.ndarray) -> float:
        positive = np.add.reduceat(weight * event, starts)
        negative = np.add.reduceat(weight * (1 - event), starts)
        below = np.cumsum(negative) - negative / 2
        pairs = positive.sum() * negative.sum()
        return positive @ below / pairs if pairs else np.nan

    draws = [
        area(np.bincount(rng.integers(users, size=users), minlength=users)[cluster])
        for _ in range(replicates)
    ]
    low, high = np.nanquantile(draws, [LEVEL / 2, 1 - LEVEL / 2])
    return {"estimate": area(np.ones(len(event))), "ci_low": low, "ci_high": high}


def calibration(outcome: np.ndarray, score: np.ndarray) -> dict[str, float | None]:
    """Return the slope of out-of-fold log-odds, the intercept at slope 1, and the Brier score."""
    slope = None
    if np.ptp(score) > 1e-9:
        slope = fit_logistic(np.column_stack([np.ones(len(score)), score]), outcome).params[1]
    intercept = fit_logistic(np.ones((len(score), 1)), outcome, offset=score).params[0]
    brier = np.mean((outcome - expit(score)) ** 2)
    return {"slope": slope, "intercept": intercept, "brier": brier}

"""A comparison of the logistic model with gradient boosting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier

from voice_ai_analytics.abandonment.design import Design
from voice_ai_analytics.abandonment.sample import effective_clusters
from voice_ai_analytics.abandonment.words import boosting_verdict
from voice_ai_analytics.statistics.intervals import clustered
from voice_ai_analytics.statistics.logistic import fit_logistic

MIN_CLUSTERS = 30
# Above this, a sample of users is enough, and boosting takes only seconds.
MOST_SESSIONS = 100_000
# Small steps of small trees: with weak effects, larger ones learn noise.
TREES = {"learning_rate": 0.05, "max_iter": 100, "max_leaf_nodes": 8, "early_stopping": False}

NOT_COMPARED = dict.fromkeys(("auc", "logistic_auc", "difference", "ci_low", "ci_high", "p_value"))
NOT_COMPARED |= {"n_sessions": 0, "n_clusters": 0, "verdict": "Boosting wasn't compared."}


def out_of_fold(
    columns: np.ndarray, outcome: np.ndarray, fold: np.ndarray, fit_and_score: Callable
) -> np.ndarray:
    """Return each row's score from a model that was fitted to the other folds.

    Parameters
    ----------
    columns : numpy.ndarray, shape (rows, columns)
    outcome : numpy.ndarray, shape (rows,)
        0 or 1.
    fold : numpy.ndarray of int, shape (rows,)
        All rows of a user in one.
    fit_and_score : callable
        Takes columns and outcome to fit to, and columns to score.

    Returns
    -------
    numpy.ndarray, shape (rows,)
    """
    score = np.empty(len(outcome))
    for number in np.unique(fold):
        test = fold == number
        score[test] = fit_and_score(columns[~test], outcome[~test], columns[test])
    return score


def logistic_score(columns: np.ndarray, outcome: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the log-odds of other rows from a logistic regression."""
    return others @ fit_logistic(columns, outcome).params


def boosted_score(columns: np.ndarray, outcome: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the log-odds of other rows from gradient-boosted trees."""
    return HistGradientBoostingClassifier(**TREES).fit(columns, outcome).decision_function(others)


def auc_influence(outcome: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve, and what each row contributes to its error.

    Parameters
    ----------
    outcome : numpy.ndarray, shape (rows,)
        0 or 1, both present.
    score : numpy.ndarray, shape (rows,)
        Ties count as half.

    Returns
    -------
    area : float
    influence : numpy.ndarray, shape (rows,)
        Sums to 0; for `clustered`.

    Notes
    -----
    The placement values of DeLong, DeLong and Clarke-Pearson (1988), which sums over clusters
    extend to clustered rows: Obuchowski (1997).
    """
    event = outcome == 1
    events, others = event.sum(), (~event).sum()
    ranks, influence = stats.rankdata(score), np.empty(len(score))
    below = (ranks[event] - stats.rankdata(score[event])) / others
    above = 1 - (ranks[~event] - stats.rankdata(score[~event])) / events
    area = below.mean()
    influence[event] = (below - area) / events
    influence[~event] = (above - area) / others
    return float(area), influence


def compare_boosting(
    design: Design,
    outcome: np.ndarray,
    clusters: np.ndarray,
    fold: np.ndarray,
    score: np.ndarray,
    rng: np.random.Generator,
) -> dict:
    """Return the AUC of boosted trees on the same terms and folds as the logistic model's.

    Parameters
    ----------
    design : Design
        The terms.
    outcome, clusters, fold, score : numpy.ndarray, shape (sessions,)
        Abandoned as 1; user; fold, all sessions of a user in one; the logistic model's log-odds
        from the other folds.
    rng : numpy.random.Generator
        Samples users where there are more than 100,000 sessions.

    Returns
    -------
    dict
        `auc` and `logistic_auc`; `difference` (boosting minus logistic) with `ci_low`, `ci_high`
        and `p_value`, null for fewer than 30 users; `n_sessions`, `n_clusters`; `verdict`.

    Notes
    -----
    The interval is over users with the predictions held fixed: Obuchowski (1997).
    """
    columns = design.standardised
    if len(outcome) > MOST_SESSIONS:
        few = rng.random(clusters.max() + 1) < MOST_SESSIONS / len(outcome)
        some = few[clusters]
        columns, outcome, fold = columns[some], outcome[some], fold[some]
        clusters = np.unique(clusters[some], return_inverse=True)[1]
        score = out_of_fold(columns, outcome, fold, logistic_score)
    boosted = out_of_fold(columns[:, 1:], outcome, fold, boosted_score)
    (auc, influence), (logistic, other) = (auc_influence(outcome, s) for s in (boosted, score))
    users = int(clusters.max()) + 1
    result = {"auc": auc, "logistic_auc": logistic, "difference": auc - logistic}
    result |= dict.fromkeys(("ci_low", "ci_high", "p_value"))
    if effective_clusters(clusters) >= MIN_CLUSTERS:
        interval = clustered(auc - logistic, influence - other, clusters)
        result |= {name: float(interval[name]) for name in ("ci_low", "ci_high", "p_value")}
    result |= {"n_sessions": len(outcome), "n_clusters": users}
    return result | {"verdict": boosting_verdict(result)}

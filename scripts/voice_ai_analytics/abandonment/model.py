"""Which session features are associated with abandonment, and whether that is evidence.

Unpenalized logistic regression of abandoned against completed sessions on what was known early,
with standard errors clustered by user. A strongest predictor is named only if it passes every
gate of `failed_gates`; otherwise the verdict says "no evidence". `docs/statistics.md` has the
assumptions, the thresholds and the sources.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from voice_ai_analytics.abandonment.boosting import (
    NOT_COMPARED,
    compare_boosting,
    logistic_score,
    out_of_fold,
)
from voice_ai_analytics.abandonment.coefficients import MIN_CLUSTERS, coefficients, fit_terms
from voice_ai_analytics.abandonment.gates import LEVEL, strongest
from voice_ai_analytics.abandonment.results import AbandonmentModel
from voice_ai_analytics.abandonment.sample import (
    Declined,
    Sample,
    effective_clusters,
    features_of,
    modelled_sessions,
)
from voice_ai_analytics.abandonment.separation import settle
from voice_ai_analytics.abandonment.validation import area_under_curve, calibration, user_folds
from voice_ai_analytics.abandonment.words import verdict
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.plain import plain
from voice_ai_analytics.statistics.logistic import LogisticFit

TARGET = "abandoned against completed, among eligible sessions"


# On narrow matrices threads cost more than they save, and would change the last digits.
@threadpool_limits.wrap(limits=1)
def fit_abandonment(
    frame: pd.DataFrame,
    k: int = 3,
    include_after_the_fact: bool = False,
    folds: int = 5,
    bootstrap: int = 1000,
    seed: int = 0,
    boosting: bool = False,
) -> AbandonmentModel:
    """Return how session features are associated with abandonment.

    Every column of the frame except its keys is a feature. Numbers enter as they are; booleans and
    text as treatment-coded levels against a named reference, with null as the level "unknown".

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per session, from `feature_query`: `session_key`, `user_key` (null where the user
        isn't known), `outcome`, `is_eligible`, optionally `opening_user_turns`, and the features.
        Row order doesn't matter.
    k : int
        How many user turns make up the opening; used in text.
    include_after_the_fact : bool
        Also use `duration_seconds`, `turn_count` and `user_turn_count`, marked as such.
    folds : int
        Folds of the cross-validation, grouped by user.
    bootstrap : int
        Replicates over users for the interval of the AUC.
    seed : int
        Random seed for folds and bootstrap.
    boosting : bool
        Also compare with gradient boosting, see `compare_boosting`.

    Returns
    -------
    AbandonmentModel
        `to_json()` holds, for each term, `log_odds` (per unit; for a level, against the
        reference) with its cluster-robust `std_error`, and `ci_low` and `ci_high`, the 95%
        interval of `log_odds`. Odds ratios are per standard deviation over the sessions that
        have the feature, per 0.1 where the feature lies in [0, 1], and per unit; each has its
        own interval. Average marginal effects are probabilities per unit, or the change from
        reference to level. Where nothing can be estimated, there are no coefficients, the
        verdict says why, and `exit_code` is 3.

    Raises
    ------
    UserError
        If a required column is missing or an option is out of range.

    Notes
    -----
    `std_error` is the sandwich summed over G users with the correction G/(G-1) (N-1)/(N-P), as
    in statsmodels and Stata (Liang and Zeger 1986). p values and intervals use it with the normal
    distribution. Where the effective number of users is below 50, they use the jackknife over
    users with t and G-1 degrees of freedom (MacKinnon, Nielsen and Webb 2023). q values:
    Benjamini and Hochberg (1995). Average marginal effects: Bartus (2005), intervals by the delta
    method. Separation: Konis (2007).
    """
    _check_arguments(frame, k=(k, 1), folds=(folds, 2), bootstrap=(bootstrap, 100))
    frame = frame.sort_values("session_key", ignore_index=True)
    features = features_of(frame, include_after_the_fact)
    sessions, excluded, notes = modelled_sessions(frame, k)
    sample, trimmed, estimates, declined = Sample(sessions, dict(excluded)), [], {}, None
    separation, penalised = {}, {}
    try:
        while (fitted := settle(sample, features, k, folds)) is None:
            separation |= {item["term"]: item for item in sample.separation}
            penalised |= {row["term"]: row for row in sample.firth}
            last = sample.design.terms[-1].feature
            trimmed.append({"term": last, "reason": "too few sessions or users for so many terms"})
            features.remove(last)
            sample = Sample(sessions, dict(excluded))
        estimates = _estimates(sample, fitted, folds, bootstrap, seed, boosting)
    except Declined as reason:
        declined = str(reason)
    separation |= {item["term"]: item for item in sample.separation}
    penalised |= {row["term"]: row for row in sample.firth}
    outcome, clusters, design = sample.outcome, sample.clusters, sample.design
    result = {
        "verdict": "",
        "strongest_predictor": None,
        "n_sessions": len(outcome),
        "n_events": int(outcome.sum()),
        "n_users": int(sample.sessions["user_key"].nunique()),
        "excluded": sample.excluded,
        "coefficients": [],
        "intercept": {"log_odds": None, "std_error": None},
        "likelihood_ratio_p_value": None,
        "cluster_wald_p_value": None,
        "auc": {"estimate": None, "ci_low": None, "ci_high": None},
        "calibration": {"slope": None, "intercept": None, "brier": None},
        "boosting": NOT_COMPARED,
        "target": TARGET,
        "k": k,
        "interval_of": "log_odds",
        "confidence_level": 1 - LEVEL,
        "n_clusters": len(np.unique(clusters)),
        "n_sessions_without_user": int(sample.sessions["user_key"].isna().sum()),
        "includes_after_the_fact": include_after_the_fact,
        "folds": folds,
        "bootstrap": bootstrap,
        "seed": seed,
        "dropped": design.dropped + trimmed,
        "separation": list(separation.values()),
        "firth": list(penalised.values()),
        "notes": notes
        + design.notes
        + _language_notes(sample.sessions)
        + _cluster_notes(sample.sessions, clusters),
    } | estimates
    if declined is None:
        result["strongest_predictor"] = strongest(result)
    result["verdict"] = verdict(result, declined)
    return AbandonmentModel(plain(result))


def _check_arguments(frame: pd.DataFrame, **options: tuple[int, int]) -> None:
    for name, (value, least) in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{name} is {value!r}, but must be a whole number, {least} or more")
    for column in ("session_key", "user_key", "outcome", "is_eligible"):
        if column not in frame:
            raise UserError(f"the feature frame has no column {column}; use feature_query")


def _estimates(
    sample: Sample, fitted: LogisticFit, folds: int, bootstrap: int, seed: int, boosting: bool
) -> dict:
    outcome, clusters, design = sample.outcome, sample.clusters, sample.design
    fit, rng = fit_terms(design, outcome, clusters, fitted), np.random.default_rng(seed)
    fold = user_folds(outcome, clusters, folds, rng)[clusters]
    score = out_of_fold(design.standardised, outcome, fold, logistic_score)
    estimates = {
        "coefficients": coefficients(design, fit),
        "intercept": {"log_odds": fit.params[0], "std_error": fit.covariance[0, 0] ** 0.5},
        "likelihood_ratio_p_value": fit.likelihood_ratio_p_value,
        "cluster_wald_p_value": fit.wald_p_value,
        "auc": area_under_curve(outcome, score, clusters, bootstrap, rng),
        "calibration": calibration(outcome, score),
    }
    if boosting:
        compared = compare_boosting(design, outcome, clusters, fold, score, rng)
        estimates["boosting"] = compared
    return estimates


def _language_notes(sessions: pd.DataFrame) -> list[str]:
    if "language" not in sessions:
        return []
    languages = sessions.groupby("user_key")["language"].nunique()
    several = languages.index[languages > 1]
    if several.empty:
        return []
    n = int(sessions["user_key"].isin(several).sum())
    return [
        f"{len(several):,} users ({n:,} sessions) used several languages, so the effect of a"
        " language compares sessions both within and between users."
    ]


def _cluster_notes(sessions: pd.DataFrame, clusters: np.ndarray) -> list[str]:
    if len(sessions) == 0:
        return []
    notes, alone = [], int(sessions["user_key"].isna().sum())
    if alone:
        notes.append(
            f"{alone:,} sessions have no known user: each counts as its own user, so intervals are "
            "too narrow if these users come back."
        )
    effective = effective_clusters(clusters)
    if effective < MIN_CLUSTERS:
        notes.append(
            f"{len(np.unique(clusters)):,} users (effectively {effective:.0f}) are fewer than "
            f"{MIN_CLUSTERS}: p values and intervals come from leaving out one user at a time and "
            "are still unreliable."
        )
    return notes

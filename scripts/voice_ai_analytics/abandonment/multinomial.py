"""Completed, abandoned or transferred: transfers as a separate outcome."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from voice_ai_analytics.abandonment.design import encode_features
from voice_ai_analytics.abandonment.gates import LEVEL
from voice_ai_analytics.abandonment.sample import (
    ENDS,
    Declined,
    Sample,
    effective_clusters,
    features_of,
    modelled_sessions,
)
from voice_ai_analytics.abandonment.words import transfer_verdict

MIN_CLUSTERS = 30
# Effective users in each outcome.
MIN_OF_AN_END = 20
MIN_EVENTS_PER_TERM = 10
MIN_USERS_PER_TERM = 2
# Beyond these log-odds a term separates the outcomes and has no finite estimate.
SEPARATION_LOG_ODDS = 15.0
TOO_MANY = "too few sessions or users for so many terms"


def fit_multinomial(frame: pd.DataFrame, k: int = 3, include_after_the_fact: bool = False) -> dict:
    """Return which features go with abandonment, and which with transfer, against completion.

    Parameters
    ----------
    frame, k, include_after_the_fact
        As for `fit_abandonment`.

    Returns
    -------
    dict
        `coefficients`, one dict per outcome and term: `log_odds` per unit (for a level, against
        the reference) of that outcome against completed, `std_error`, `ci_low`, `ci_high`,
        `p_value`, `q_value` over all of them, and the odds ratio per standard deviation, or per
        unit for a level, with its interval. `cluster_wald_p_value` tests that all of them
        are 0; the verdict names a feature only if it is below 0.05. `n_completed`,
        `n_abandoned`, `n_transferred`, `n_users`, `n_clusters`; `excluded` by reason; `dropped`
        terms; `verdict`, a sentence.

    Notes
    -----
    Multinomial logit by maximum likelihood (McFadden 1974), the sandwich over users as for two
    outcomes. Intervals and p values are from t with the effective number of users (Kish) less
    one. q values: Benjamini and Hochberg (1995).
    """
    sessions, excluded, _ = modelled_sessions(frame, k, ENDS)
    del excluded["transferred"]
    sample = Sample(sessions, excluded)
    features, trimmed = features_of(frame, include_after_the_fact), []
    rows, p_value, declined = [], None, None
    try:
        _require_ends(sample)
        while not _settle(sample, features, k):
            last = sample.design.terms[-1].feature
            trimmed.append({"term": last, "reason": TOO_MANY})
            features.remove(last)
            sample = Sample(sessions, dict(excluded))
        fit = _fit(sample)
        rows, p_value = _coefficients(sample, fit), _whole_p_value(sample, fit)
    except Declined as reason:
        declined = str(reason)
    counts = sample.sessions["outcome"].value_counts()
    result = {
        "coefficients": rows,
        "cluster_wald_p_value": p_value,
        **{f"n_{end}": int(counts.get(end, 0)) for end in ENDS},
        "n_users": int(sample.sessions["user_key"].nunique()),
        "n_clusters": len(np.unique(sample.clusters)),
        "excluded": sample.excluded,
        "dropped": sample.design.dropped + trimmed,
    }
    return result | {"verdict": transfer_verdict(result, declined)}


def _require_ends(sample: Sample) -> None:
    for end in ENDS:
        if not (sample.sessions["outcome"] == end).any():
            raise Declined(f"no session that could be modelled was {end}")
    if (users := len(np.unique(sample.clusters))) < MIN_CLUSTERS:
        raise Declined(f"{users} users are fewer than the {MIN_CLUSTERS} that are needed")
    for end in ENDS:
        worth = effective_clusters(sample.clusters[sample.sessions["outcome"] == end])
        if worth < MIN_OF_AN_END:
            raise Declined(
                f"the users whose sessions were {end} are effectively {worth:.0f};"
                f" {MIN_OF_AN_END} are needed"
            )


def _settle(sample: Sample, features: list[str], k: int) -> bool:
    """Encode the terms; return false if the sessions are too few for them."""
    while True:
        sample.design = encode_features(sample.sessions, sample.clusters, features, k)
        if not sample.design.left_out:
            break
        sample.leave_out(sample.design.left_out)
        _require_ends(sample)
    if not sample.design.terms:
        raise Declined("no feature varies, so there is no term to test")
    rarest = sample.sessions["outcome"].value_counts().min()
    users = len(np.unique(sample.clusters))
    most = min(rarest // MIN_EVENTS_PER_TERM, users // MIN_USERS_PER_TERM)
    if len(sample.design.terms) <= most:
        return True
    if len({term.feature for term in sample.design.terms}) > 1:
        return False
    raise Declined(f"{rarest:,} sessions of the rarest outcome and {users:,} users are too few")


def _fit(sample: Sample):
    outcome = pd.Categorical(sample.sessions["outcome"], ENDS).codes
    columns, groups = sample.design.standardised, {"groups": sample.clusters}
    with warnings.catch_warnings():
        # Separation is checked below.
        warnings.simplefilter("ignore")
        fit = sm.MNLogit(outcome, columns).fit(
            method="newton", disp=0, tol=1e-10, cov_type="cluster", cov_kwds=groups
        )
    far = np.abs(columns @ fit.params).max()
    if not fit.mle_retvals["converged"] or not far < SEPARATION_LOG_ODDS:
        raise Declined("a term separates the outcomes, so its effect isn't finite")
    return fit


def _whole_p_value(sample: Sample, fit) -> float | None:
    """Return the p value of no term mattering for any outcome; None where users are too few."""
    slopes = np.arange(fit.params.size) % len(fit.params) > 0
    values, covariance = fit.params.T.ravel()[slopes], fit.cov_params()[np.ix_(slopes, slopes)]
    degrees, effective = len(values), effective_clusters(sample.clusters)
    if effective - degrees < 1:
        return None
    wald = values @ np.linalg.solve(covariance, values)
    # Hotelling's scaling, as for two outcomes.
    scaled = wald * (effective - degrees) / (degrees * (effective - 1))
    return float(stats.f.sf(scaled, degrees, effective - degrees))


def _coefficients(sample: Sample, fit) -> list[dict]:
    clusters = sample.clusters
    reference = stats.t(max(effective_clusters(clusters) - 1, 1))
    margin = reference.ppf(1 - LEVEL / 2)
    spread = sample.design.matrix[:, 1:].std(axis=0)
    rows = []
    for end, params, errors in zip(ENDS[1:], fit.params.T, fit.bse.T, strict=True):
        terms = zip(sample.design.terms, params[1:], errors[1:], spread, strict=True)
        for term, estimate, error, sd in terms:
            ends = np.array([estimate, estimate - margin * error, estimate + margin * error])
            values = term.values[term.applies]
            step = 1.0 if term.level else values.std(ddof=1)
            rows.append(
                {
                    "outcome": end,
                    "term": term.name,
                    "level": term.level,
                    "reference_level": term.reference,
                    "n_sessions": len(values),
                    "log_odds": estimate / sd,
                    "std_error": error / sd,
                    "ci_low": ends[1] / sd,
                    "ci_high": ends[2] / sd,
                    "p_value": 2 * reference.sf(abs(estimate / error)),
                    "q_value": np.nan,
                    "step": step,
                    **dict(
                        zip(
                            ("odds_ratio", "odds_ratio_ci_low", "odds_ratio_ci_high"),
                            np.exp(ends / sd * step),
                            strict=True,
                        )
                    ),
                }
            )
    for row, q in zip(
        rows, multipletests([row["p_value"] for row in rows], method="fdr_bh")[1], strict=True
    ):
        row["q_value"] = q
    return rows

"""Terms without a finite estimate, the sessions that leave with them, and Firth's estimate.

`settle` leaves sessions out until every remaining term has a finite estimate.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from voice_ai_analytics.abandonment.design import MIN_WEIGHT, Design, encode_features
from voice_ai_analytics.abandonment.sample import Declined, Sample
from voice_ai_analytics.statistics.firth import fit_firth, profile
from voice_ai_analytics.statistics.logistic import LogisticFit, fit_logistic

MIN_EVENTS_PER_TERM = 10
MIN_USERS_PER_TERM = 2
SEPARATION_LOG_ODDS = 15.0


def settle(sample: Sample, features: list[str], k: int, folds: int) -> LogisticFit | None:
    """Leave sessions out until every term has a finite estimate, and return the fit.

    None if the remaining sessions are too few for the terms.
    """
    while True:
        outcome, clusters = sample.outcome, sample.clusters
        if not sample.separation:
            _require_both_outcomes(outcome, clusters, folds)
        sample.design = encode_features(sample.sessions, clusters, features, k)
        if sample.design.left_out:
            sample.leave_out(sample.design.left_out)
            continue
        if not _can_bear(sample):
            return None
        fitted = fit_logistic(sample.design.standardised, outcome, clusters)
        found, predicted = _separation(sample.design, outcome, fitted)
        if not found:
            if not fitted.converged:
                raise Declined("the fit does not converge")
            return fitted
        sample.separation += found
        sample.firth += _firth(sample.design, outcome, {item["term"] for item in found})
        if predicted.all():
            raise Declined(_separated(sample.separation))
        sample.leave_out({"outcome predicted perfectly (separation)": predicted})


def _require_both_outcomes(outcome: np.ndarray, clusters: np.ndarray, folds: int) -> None:
    n, events = len(outcome), int(outcome.sum())
    if n == 0:
        raise Declined("no eligible session that can be modeled was completed or abandoned")
    if events in (0, n):
        only = "abandoned" if events else "completed"
        raise Declined(f"all {n:,} sessions were {only}, and both outcomes are needed")
    users = min(len(np.unique(clusters[outcome == value])) for value in (0, 1))
    if users < folds:
        raise Declined(f"one of the two outcomes comes from only {users} users; {folds} are needed")


def _can_bear(sample: Sample) -> bool:
    """Return whether there are enough sessions and users for the terms; decline if for none."""
    terms = sample.design.terms
    if not terms and not sample.separation:
        raise Declined("no feature varies, so there is no term to test")
    events, n = int(sample.outcome.sum()), len(sample.sessions)
    users, rarer = len(np.unique(sample.clusters)), min(events, n - events)
    most = min(rarer // MIN_EVENTS_PER_TERM, users // MIN_USERS_PER_TERM)
    if 0 < len(terms) <= most:
        return True
    if len({term.feature for term in terms}) > 1:
        return False
    if sample.separation:
        raise Declined(_separated(sample.separation))
    raise Declined(
        f"{events:,} abandoned and {n - events:,} completed sessions of {users:,} users are too "
        f"few; each term needs {MIN_EVENTS_PER_TERM} of either and {MIN_USERS_PER_TERM} users"
    )


def _separated(separation: list[dict]) -> str:
    named = ", ".join(dict.fromkeys(item["term"] for item in separation))
    return f"{named} separates abandoned from completed sessions, so its effect isn't finite"


def _separation(
    design: Design, outcome: np.ndarray, fitted: LogisticFit
) -> tuple[list[dict], np.ndarray]:
    """Return terms without a finite estimate, and the sessions that they predict perfectly.

    There is a direction in which the likelihood never falls exactly if a linear program has a
    positive optimum (Konis 2007). It is solved only where a fitted probability is near 0 or 1,
    which separation implies: each iteration moves a diverging log-odds by about 1.
    """
    columns = design.standardised
    predicted = np.zeros(len(outcome), dtype=bool)
    if np.abs(columns @ fitted.params).max() < SEPARATION_LOG_ODDS:
        return [], predicted
    signed = np.where(outcome[:, None] == 1, columns, -columns)
    direction = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    ).x
    predicted = signed @ direction > 1e-6
    if not predicted.any():
        return [], predicted
    # The optimum touches some sessions even where there is a margin to all of them.
    width = columns.shape[1]
    margin = optimize.linprog(
        np.r_[np.zeros(width), -1.0],
        A_ub=np.column_stack([-signed, np.ones(len(signed))]),
        b_ub=np.zeros(len(signed)),
        bounds=[(-1, 1)] * (width + 1),
    )
    predicted |= margin.x[-1] > 1e-6
    weights = np.abs(direction[1:])
    kind = "complete" if predicted.all() else "quasi-complete"
    return [
        {"term": term.name, "kind": kind, "n_sessions_predicted": int(predicted.sum())}
        for term, weight in zip(design.terms, weights, strict=True)
        if weight > MIN_WEIGHT * weights.max()
    ], predicted


def _firth(design: Design, outcome: np.ndarray, separated: set[str]) -> list[dict]:
    """Return penalized estimates of separated terms, with sessions as independent."""
    columns = design.standardised
    fit, rows = fit_firth(columns, outcome), []
    for i, term in enumerate(design.terms, start=1):
        if term.name in separated and fit.converged:
            interval, spread = profile(fit, i, columns, outcome), term.values.std()
            rows.append(
                {
                    "term": term.name,
                    "level": term.level,
                    "reference_level": term.reference,
                    "n_sessions": len(outcome),
                    "log_odds": fit.params[i] / spread,
                    "ci_low": interval["ci_low"] / spread,
                    "ci_high": interval["ci_high"] / spread,
                    "p_value": interval["p_value"],
                    "interval": "profile of the penalised likelihood, sessions as independent",
                }
            )
    return rows

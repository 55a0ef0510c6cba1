"""Which session features are associated with abandonment, and whether that is evidence.

Unpenalised logistic regression of abandoned against completed sessions on what was known early,
with standard errors clustered by user. A strongest predictor is named only if it survives every
gate of `failed_gates`; otherwise the verdict says "no evidence". `docs/statistics.md` gives the
assumptions, the thresholds and the sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from threadpoolctl import threadpool_limits

from voice_ai_analytics.abandonment.boosting import (
    NOT_COMPARED,
    compare_boosting,
    logistic_score,
    out_of_fold,
)
from voice_ai_analytics.abandonment.design import MIN_WEIGHT, Design, encode_features
from voice_ai_analytics.abandonment.sample import (
    AFTER_THE_FACT,
    Declined,
    Sample,
    effective_clusters,
    features_of,
    modelled_sessions,
)
from voice_ai_analytics.abandonment.tables import tables_of
from voice_ai_analytics.abandonment.verdict import LEVEL, TARGET, render, strongest, verdict
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.statistics.firth import fit_firth, profile
from voice_ai_analytics.statistics.logistic import LogisticFit, expit, fit_logistic

__all__ = ["AbandonmentModel", "fit_abandonment", "render"]

MIN_EVENTS_PER_TERM = 10
MIN_USERS_PER_TERM = 2
# Users of equal size; with fewer the sandwich is known to be too small.
MIN_CLUSTERS = 50
SEPARATION_LOG_ODDS = 15.0
ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class AbandonmentModel:
    """What was fitted and what it allows one to say.

    Parameters
    ----------
    result : dict
        The content of `abandonment_model.json`.
    """

    result: dict

    @property
    def exit_code(self) -> int:
        """0, or 3 when nothing could be estimated."""
        hazard, multinomial = (self.result.get(part, {}) for part in ("hazard", "multinomial"))
        found = self.result["coefficients"], hazard.get("bands"), multinomial.get("coefficients")
        return 0 if any(found) else 3

    def to_json(self) -> dict:
        """Give the model as plain JSON values; what could not be estimated is null."""
        return self.result

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the model as warehouse tables, see `tables_of`."""
        return tables_of(self.result)


# On narrow matrices threads cost more than they give, and their number would change last digits.
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
    """Estimate how session features are associated with abandonment.

    Every column of the frame except its keys is a feature: numbers enter as they are, booleans
    and texts as treatment-coded levels against a named reference, null among them as "unknown".

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a session, as `feature_query` gives it: `session_key`, `user_key` (null where the
        session names no user), `outcome`, `is_eligible`, optionally `opening_user_turns`, and the
        features. Row order does not matter.
    k : int
        Number of first user turns the opening features were taken over; used in texts.
    include_after_the_fact : bool
        Also use `duration_seconds`, `turn_count` and `user_turn_count`, marked as such.
    folds : int
        Folds of the cross-validation, grouped by user.
    bootstrap : int
        Replicates, over users, of the interval of the AUC.
    seed : int
        Of folds and bootstrap.
    boosting : bool
        Also compare with gradient boosting, see `compare_boosting`.

    Returns
    -------
    AbandonmentModel
        `to_json()` holds, for each term, `log_odds` (per unit; for a level, against the
        reference) with its cluster-robust `std_error`, and `ci_low` and `ci_high`, the 95 %
        interval of `log_odds`. Odds ratios are per standard deviation over the sessions that
        have the feature, per 0.1 where the feature lies in [0, 1], and per unit; each has its
        own interval. Average marginal effects are probabilities per unit, or the change from
        reference to level. Where nothing can be estimated, there are no coefficients, the
        verdict says why, and `exit_code` is 3.

    Raises
    ------
    UserError
        If a needed column is missing or an option is out of range.

    Notes
    -----
    `std_error` is the sandwich summed over G users with the correction G/(G-1) (N-1)/(N-P), as
    statsmodels and Stata have it (Liang and Zeger 1986). p values and intervals are from it and
    the normal distribution; where fewer than 50 users of equal size would weigh as much, from
    the jackknife over users and t with G-1 degrees of freedom (MacKinnon, Nielsen and Webb
    2023). q values: Benjamini and Hochberg (1995). Average marginal effects: Bartus (2005),
    intervals by the delta method. Separation: Konis (2007).
    """
    _check_arguments(frame, k=(k, 1), folds=(folds, 2), bootstrap=(bootstrap, 100))
    frame = frame.sort_values("session_key", ignore_index=True)
    features = features_of(frame, include_after_the_fact)
    sessions, excluded, notes = modelled_sessions(frame, k)
    sample, trimmed, estimates, declined = Sample(sessions, dict(excluded)), [], {}, None
    separation, penalised = {}, {}
    try:
        while (fitted := _settle(sample, features, k, folds)) is None:
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
            raise UserError(f"{name} is {value!r}: give a whole number, {least} or more")
    for column in ("session_key", "user_key", "outcome", "is_eligible"):
        if column not in frame:
            raise UserError(f"the feature frame has no column {column}: use feature_query")


def _settle(sample: Sample, features: list[str], k: int, folds: int) -> LogisticFit | None:
    """Leave sessions out until every term has a finite estimate, and give the fit.

    None if the sessions left are too few for the terms.
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
        raise Declined("no eligible session that could be modelled was completed or abandoned")
    if events in (0, n):
        only = "abandoned" if events else "completed"
        raise Declined(f"all {n:,} sessions were {only}, and both outcomes are needed")
    users = min(len(np.unique(clusters[outcome == value])) for value in (0, 1))
    if users < folds:
        raise Declined(f"one of the two outcomes comes from {users} users; {folds} are needed")


def _can_bear(sample: Sample) -> bool:
    """Whether there are sessions and users enough for the terms; declines if for none."""
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
    return f"abandoned and completed sessions are separated by {named}, whose effect is not finite"


def _estimates(
    sample: Sample, fitted: LogisticFit, folds: int, bootstrap: int, seed: int, boosting: bool
) -> dict:
    outcome, clusters, design = sample.outcome, sample.clusters, sample.design
    fit, rng = _fit(design, outcome, clusters, fitted), np.random.default_rng(seed)
    fold = _folds(outcome, clusters, folds, rng)[clusters]
    score = out_of_fold(design.standardised, outcome, fold, logistic_score)
    estimates = {
        "coefficients": _coefficients(design, fit),
        "intercept": {"log_odds": fit.params[0], "std_error": fit.covariance[0, 0] ** 0.5},
        "likelihood_ratio_p_value": fit.likelihood_ratio_p_value,
        "cluster_wald_p_value": fit.wald_p_value,
        "auc": _auc(outcome, score, clusters, bootstrap, rng),
        "calibration": _calibration(outcome, score),
    }
    if boosting:
        compared = compare_boosting(design, outcome, clusters, fold, score, rng)
        estimates["boosting"] = compared
    return estimates


@dataclass(frozen=True)
class _Fit:
    """Estimates in the units of the terms; index 0 is the intercept."""

    params: np.ndarray
    covariance: np.ndarray
    jackknife: np.ndarray
    likelihood_ratio_p_value: float
    wald_p_value: float
    n_clusters: int
    few_clusters: bool


def _separation(
    design: Design, outcome: np.ndarray, fitted: LogisticFit
) -> tuple[list[dict], np.ndarray]:
    """Find terms without a finite estimate, and the sessions they predict perfectly.

    A direction in which the likelihood never falls exists exactly if a linear programme has a
    positive optimum (Konis 2007). It is only solved when a fitted probability is near 0 or 1,
    as it always is then: each iteration moves a diverging log-odds by about 1.
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
    # The optimum touches some sessions even where a margin to all of them exists.
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
    """Penalised estimates of separated terms, in their own units; sessions as independent."""
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


def _fit(design: Design, outcome: np.ndarray, clusters: np.ndarray, fitted: LogisticFit) -> _Fit:
    """Carry a fit on standardised terms back to their own units, and test the whole of it."""
    values = design.matrix[:, 1:]
    back = np.diag(np.r_[1.0, 1 / values.std(axis=0)])
    back[0, 1:] = -values.mean(axis=0) / values.std(axis=0)
    jackknife = _jackknife(design.standardised, outcome, clusters, fitted)
    terms, share, groups = values.shape[1], outcome.mean(), len(np.unique(clusters))
    null = len(outcome) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    slopes = fitted.params[1:]
    wald = slopes @ np.linalg.solve(jackknife[1:, 1:], slopes)
    # Hotelling's scaling: with few users the chi-square reference is too lenient.
    wald_f = wald * (groups - terms) / (terms * (groups - 1))
    return _Fit(
        params=back @ fitted.params,
        covariance=back @ fitted.covariance @ back.T,
        jackknife=back @ jackknife @ back.T,
        likelihood_ratio_p_value=stats.chi2.sf(2 * (fitted.llf - null), terms),
        wald_p_value=stats.f.sf(wald_f, terms, groups - terms),
        n_clusters=groups,
        few_clusters=effective_clusters(clusters) < MIN_CLUSTERS,
    )


def _jackknife(
    columns: np.ndarray, outcome: np.ndarray, clusters: np.ndarray, fitted: LogisticFit
) -> np.ndarray:
    """Covariance from leaving out one user at a time, by one Newton step each.

    Unlike the sandwich it is not too small when few users, or a few heavy ones, carry a term.
    """
    chance = expit(columns @ fitted.params)
    weight, residual, width = chance * (1 - chance), outcome - chance, columns.shape[1]
    total = columns.T @ (columns * weight[:, None])
    # So that a term which one user alone carries gets a huge error, not a singular matrix.
    total += 1e-9 * np.trace(total) * np.eye(width)
    left, right = np.tril_indices(width)
    covariance = np.zeros((width, width))
    for rows, starts in _some_users_at_a_time(clusters):
        x = columns[rows]
        score = np.add.reduceat(x * residual[rows, None], starts)
        products = x[:, left] * x[:, right] * weight[rows, None]
        rest = np.empty((len(starts), width, width))
        rest[:, left, right] = np.add.reduceat(products, starts)
        rest[:, right, left] = rest[:, left, right]
        steps = np.linalg.solve(total - rest, score[:, :, None])[:, :, 0]
        covariance += steps.T @ steps
    groups = len(np.unique(clusters))
    return (groups - 1) / groups * covariance


def _some_users_at_a_time(clusters: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the rows of some users, user by user, and where among them each user's rows start."""
    order = np.argsort(clusters, kind="stable")
    ends = np.cumsum(np.bincount(clusters))
    done = 0
    while done < len(order):
        first, until = np.searchsorted(ends, [done, done + ROWS_AT_A_TIME], side="right")
        until = max(until, first + 1)  # one user may have more rows than that
        starts = np.r_[done, ends[first : until - 1]] - done
        yield order[done : ends[until - 1]], starts
        done = ends[until - 1]


def _coefficients(design: Design, fit: _Fit) -> list[dict]:
    log_odds, students_t = fit.params[1:], stats.t(fit.n_clusters - 1)
    sandwich, jackknife = (np.sqrt(np.diag(v))[1:] for v in (fit.covariance, fit.jackknife))
    errors, reference = (jackknife, students_t) if fit.few_clusters else (sandwich, stats.norm)
    margin = reference.ppf(1 - LEVEL / 2)
    p_values = 2 * reference.sf(np.abs(log_odds / errors))
    q_values = multipletests(p_values, method="fdr_bh")[1]
    jackknife_p_values = 2 * students_t.sf(np.abs(log_odds / jackknife))
    jackknife_q_values = multipletests(jackknife_p_values, method="fdr_bh")[1]
    effects = _average_marginal_effects(design, fit)
    rows = []
    for i, (term, (effect, effect_error)) in enumerate(zip(design.terms, effects, strict=True)):
        values = term.values[term.applies]
        bounds = log_odds[i] + margin * errors[i] * np.array([0, -1, 1])
        in_unit_interval = term.level is None and values.min() >= 0 and values.max() <= 1
        sd = values.std(ddof=1)
        rows.append(
            {
                "term": term.name,
                "feature": term.feature,
                "level": term.level,
                "reference_level": term.reference,
                "is_after_the_fact": term.feature in AFTER_THE_FACT,
                "n_sessions": len(values),
                "standard_deviation": sd,
                "log_odds": log_odds[i],
                "std_error": sandwich[i],
                "ci_low": bounds[1],
                "ci_high": bounds[2],
                "p_value": p_values[i],
                "q_value": q_values[i],
                "jackknife_std_error": jackknife[i],
                "jackknife_q_value": jackknife_q_values[i],
                **_odds_ratios("odds_ratio", bounds),
                **_odds_ratios("odds_ratio_per_sd", bounds * sd),
                **_odds_ratios(
                    "odds_ratio_per_0_1", bounds * (0.1 if in_unit_interval else np.nan)
                ),
                "average_marginal_effect": effect,
                "average_marginal_effect_ci_low": effect - margin * effect_error,
                "average_marginal_effect_ci_high": effect + margin * effect_error,
            }
        )
    return rows


def _odds_ratios(name: str, log_odds: np.ndarray) -> dict[str, float]:
    # Per unit of a feature in tiny units it may be past any number: null then.
    with np.errstate(over="ignore"):
        ratios = np.exp(log_odds)
    return dict(zip((name, f"{name}_ci_low", f"{name}_ci_high"), ratios, strict=True))


def _average_marginal_effects(design: Design, fit: _Fit) -> list[tuple[float, float]]:
    """Effect on the probability and its standard error, averaged over the sessions concerned."""
    columns = design.matrix
    chance = expit(columns @ fit.params)
    covariance = fit.jackknife if fit.few_clusters else fit.covariance
    effects = []
    for i, term in enumerate(design.terms, start=1):
        if term.level is None:
            x, p = columns[term.applies], chance[term.applies]
            slope = p * (1 - p)
            effect = fit.params[i] * slope.mean()
            gradient = fit.params[i] * ((slope * (1 - 2 * p)) @ x) / len(x)
            gradient[i] += slope.mean()
        else:
            siblings = [j for j, t in enumerate(design.terms, start=1) if t.feature == term.feature]
            x = columns.copy()
            x[:, siblings] = 0.0
            without = expit(x @ fit.params)
            gradient = -(without * (1 - without)) @ x / len(x)
            x[:, i] = 1.0
            having = expit(x @ fit.params)
            gradient += (having * (1 - having)) @ x / len(x)
            effect = (having - without).mean()
        effects.append((effect, np.sqrt(gradient @ covariance @ gradient)))
    return effects


def _folds(
    outcome: np.ndarray, clusters: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """Give each user a fold, users with like numbers of abandoned sessions spread evenly."""
    events = np.bincount(clusters, outcome)
    order = np.lexsort((rng.random(len(events)), events))
    rounds = np.tile(np.arange(folds), (-(-len(events) // folds), 1))
    fold = np.empty(len(events), dtype=int)
    fold[order] = rng.permuted(rounds, axis=1).ravel()[: len(events)]
    return fold


def _auc(
    outcome: np.ndarray,
    score: np.ndarray,
    clusters: np.ndarray,
    replicates: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Area under the ROC curve with a percentile interval from resampling users."""
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


def _calibration(outcome: np.ndarray, score: np.ndarray) -> dict[str, float | None]:
    """Slope of the out-of-fold log-odds, intercept with that slope held at 1, Brier score."""
    slope = None
    if np.ptp(score) > 1e-9:
        slope = fit_logistic(np.column_stack([np.ones(len(score)), score]), outcome).params[1]
    intercept = fit_logistic(np.ones((len(score), 1)), outcome, offset=score).params[0]
    brier = np.mean((outcome - expit(score)) ** 2)
    return {"slope": slope, "intercept": intercept, "brier": brier}


def _language_notes(sessions: pd.DataFrame) -> list[str]:
    if "language" not in sessions:
        return []
    languages = sessions.groupby("user_key")["language"].nunique()
    several = languages.index[languages > 1]
    if several.empty:
        return []
    n = int(sessions["user_key"].isin(several).sum())
    return [
        f"{len(several):,} users ({n:,} sessions) used several languages: the effect of a language"
        " compares sessions, within and between users together."
    ]


def _cluster_notes(sessions: pd.DataFrame, clusters: np.ndarray) -> list[str]:
    if len(sessions) == 0:
        return []
    notes, alone = [], int(sessions["user_key"].isna().sum())
    if alone:
        notes.append(
            f"{alone:,} sessions name no user: each counts as a user of its own, so intervals are "
            "too narrow if such users come back."
        )
    effective = effective_clusters(clusters)
    if effective < MIN_CLUSTERS:
        notes.append(
            f"{len(np.unique(clusters)):,} users, worth {effective:.0f} of equal size, are fewer "
            f"than {MIN_CLUSTERS}: p values and intervals come from leaving out one user at a time "
            "and are still unreliable."
        )
    return notes


def plain(value):
    """Make numpy numbers plain and what is not finite null, so that JSON can hold it.

    Parameters
    ----------
    value : dict, list or scalar

    Returns
    -------
    dict, list or scalar
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value

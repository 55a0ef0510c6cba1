"""The coefficients of the abandonment model in the units of its features.

Standard errors are clustered by user, with the jackknife over users beside the sandwich.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from voice_ai_analytics.abandonment.design import Design
from voice_ai_analytics.abandonment.gates import LEVEL
from voice_ai_analytics.abandonment.sample import AFTER_THE_FACT, effective_clusters
from voice_ai_analytics.statistics.logistic import LogisticFit, expit

# Effective users; with fewer the sandwich is known to be too small.
MIN_CLUSTERS = 50
ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Fit:
    """Estimates in the units of the terms; index 0 is the intercept."""

    params: np.ndarray
    covariance: np.ndarray
    jackknife: np.ndarray
    likelihood_ratio_p_value: float
    wald_p_value: float
    n_clusters: int
    few_clusters: bool


def fit_terms(
    design: Design, outcome: np.ndarray, clusters: np.ndarray, fitted: LogisticFit
) -> Fit:
    """Return a fit in the units of its terms, with tests of the whole model."""
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
    return Fit(
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
    """Return the covariance from leaving out one user at a time, by one Newton step each.

    Unlike the sandwich, it isn't too small where few users, or a few heavy ones, carry a term.
    """
    chance = expit(columns @ fitted.params)
    weight, residual, width = chance * (1 - chance), outcome - chance, columns.shape[1]
    total = columns.T @ (columns * weight[:, None])
    # A term that only one user carries then gets a huge error, not a singular matrix.
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
    """Yield the rows of some users, user by user, and where the rows of each user start."""
    order = np.argsort(clusters, kind="stable")
    ends = np.cumsum(np.bincount(clusters))
    done = 0
    while done < len(order):
        first, until = np.searchsorted(ends, [done, done + ROWS_AT_A_TIME], side="right")
        until = max(until, first + 1)  # one user may have more rows than that
        starts = np.r_[done, ends[first : until - 1]] - done
        yield order[done : ends[until - 1]], starts
        done = ends[until - 1]


def coefficients(design: Design, fit: Fit) -> list[dict]:
    """Return each term's log-odds, odds ratios and average marginal effect, with intervals."""
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
    # Per unit of a feature in tiny units the ratio may overflow; it is null then.
    with np.errstate(over="ignore"):
        ratios = np.exp(log_odds)
    return dict(zip((name, f"{name}_ci_low", f"{name}_ci_high"), ratios, strict=True))


def _average_marginal_effects(design: Design, fit: Fit) -> list[tuple[float, float]]:
    """Return the mean effect on the probability and its standard error, per term."""
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

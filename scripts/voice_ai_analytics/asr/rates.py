"""Word error rates by group, with intervals over sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from voice_ai_analytics.asr.results import DIMENSIONS, NOT_A_NUMBER
from voice_ai_analytics.asr.spool import Spool
from voice_ai_analytics.asr.word_errors import COUNTS
from voice_ai_analytics.asr.words import FEWEST_CLUSTERS, ON_THE_LOGARITHM
from voice_ai_analytics.metrics.suppression import SESSIONS, USERS, suppress_together

GROUPINGS = (*((name,) for name in DIMENSIONS), ("language", "asr_model"))
MOST_LEVELS = 500
NUMBERS = ("reference_words", "turns", "empty_hypotheses", "users")
# What groups of a table add up to in those of another.
ADDED_UP = ("errors", *COUNTS, "reference_words", "turns", "empty_hypotheses")
REPLICATES = 2000
WIDEST = 10  # an interval beyond this many times the rate, or this part of it, tells nothing


def group_rates(
    spool: Spool, normalizer: str, seed: int, min_cohort_size: int | None
) -> tuple[list[dict], dict[str, int]]:
    """Return the error rates of all groups.

    Parameters
    ----------
    spool : Spool
        Scored.
    normalizer : str
        As for `count_errors`.
    seed : int
        Random seed for the bootstraps.
    min_cohort_size : int or None
        Groups of fewer users are suppressed; None to suppress none.

    Returns
    -------
    groups : list of dict
        From `error_rates`.
    undivided : dict of str to int
        Dimensions with too many values to make groups, and how many.
    """
    tables, undivided = [], {}
    (levels,) = spool.rows(
        f"select {', '.join(f'count(distinct {d}) as {d}' for d in DIMENSIONS)} from scored"
    )
    for by in GROUPINGS:
        if not all(levels[name] for name in by):
            continue
        most = max(by, key=levels.get)
        if levels[most] > MOST_LEVELS:
            undivided[most] = levels[most]
            continue
        tables.append(error_rates(spool, by, normalizer, seed))
    if min_cohort_size is not None:
        tables = _suppressed(tables, min_cohort_size)
    return [group for groups in tables for group in groups], undivided


def error_rates(spool: Spool, by: tuple[str, ...], normalizer: str, seed: int) -> list[dict]:
    """Return the error rate of each group; a turn of no known session is a cluster of its own.

    Parameters
    ----------
    spool : Spool
        Scored.
    by : tuple of str
        `DIMENSIONS` that make groups; empty for one group of everything.
    normalizer : str
        As for `count_errors`.
    seed : int
        Random seed for the bootstraps.

    Returns
    -------
    list of dict
        As `AsrEvaluation.overall` and `AsrEvaluation.groups` hold them.
    """
    keys = "".join(f"{name}, " for name in by)
    grouped = f"group by {', '.join(by)}" if by else ""
    ordered = f"order by {', '.join(f'{name} nulls last' for name in by)}" if by else ""
    sums = spool.rows(
        f"""
        select
            {keys}
            sum(errors) as errors,
            {", ".join(f"sum({name}) as {name}" for name in COUNTS)},
            sum(reference_words) as reference_words,
            count(*) as turns,
            count(*) filter (recognized_words = 0) as empty_hypotheses,
            count(distinct user_hash) as users,
            bool_or(cluster is not null) as has_sessions,
            string_agg(distinct unit, ' and ' order by unit) as unit
        from scored {grouped} {ordered}
        """
    )
    # Clusters with equal sums are drawn as one, as often as there are clusters.
    clusters = spool.rows(
        f"""
        with clusters as (
            select {keys} sum(errors) as errors, sum(reference_words) as words
            from scored where cluster is not null group by {keys} cluster
            union all
            select {keys} errors, reference_words from scored where cluster is null
        ),
        alike as (
            select {keys} errors, words, count(*) as clusters
            from clusters group by {keys} errors, words
        )
        select
            {keys}
            list(errors order by errors, words) as errors,
            list(words order by errors, words) as words,
            list(clusters order by errors, words) as clusters
        from alike {grouped} {ordered}
        """
    )
    results = []
    for total, drawn in zip(sums, clusters, strict=True) if sums[0]["turns"] else ():
        sizes = np.array(drawn["clusters"])
        low, high, interval = rate_interval(
            np.array(drawn["errors"], dtype=float),
            np.array(drawn["words"], dtype=float),
            sizes,
            seed,
        )
        results.append(
            {
                "by": list(by),
                **{name: total[name] for name in by},
                "word_error_rate": int(total["errors"]) / int(total["reference_words"]),
                "ci_low": low,
                "ci_high": high,
                **{name: int(total[name]) for name in ("errors", *COUNTS, *NUMBERS)},
                "clusters": int(sizes.sum()),
                "cluster": "session" if total["has_sessions"] else "turn",
                "interval": interval,
                "unit": total["unit"],
                "normalizer": normalizer,
                "suppressed": "",
            }
        )
    if not by and not results:
        nothing = {name: 0 for name in ("errors", *COUNTS, *NUMBERS, "clusters")}
        unknown = dict.fromkeys(("word_error_rate", "ci_low", "ci_high"))
        texts = {"cluster": "turn", "interval": "no reference", "unit": "word"}
        results = [{**unknown, **nothing, **texts, "normalizer": normalizer, "suppressed": ""}]
    elif not by:
        del results[0]["by"]
    return results


def _suppressed(tables: list[list[dict]], min_cohort_size: int) -> list[list[dict]]:
    """Return groups without the numbers of small ones, or of those that would reveal them."""
    frames = [
        (
            pd.DataFrame(groups).rename(columns={"clusters": SESSIONS, "users": USERS}),
            dict(zip(by, by, strict=True)),
        )
        for groups in tables
        if groups
        for by in [groups[0]["by"]]
    ]
    hidden = suppress_together(frames, min_cohort_size, ADDED_UP)
    return [
        [
            _blanked(group, reason) if reason else group
            for group, reason in zip(groups, table["suppressed"], strict=True)
        ]
        for groups, table in zip(filter(None, tables), hidden, strict=True)
    ]


def _blanked(group: dict, reason: str) -> dict:
    return (
        {name: group[name] if name in NOT_A_NUMBER else None for name in group}
        | {name: group[name] for name in group["by"]}
        | {"suppressed": reason, "interval": ""}
    )


def rate_interval(
    errors: np.ndarray, words: np.ndarray, clusters: np.ndarray, seed: int = 0
) -> tuple[float | None, float | None, str]:
    """Return the 95% interval of an error rate: the sum of errors over the sum of words.

    Parameters
    ----------
    errors, words : numpy.ndarray, shape (n,)
        Errors and words of a cluster, such as a session.
    clusters : numpy.ndarray, shape (n,)
        How many clusters have these sums.
    seed : int
        Random seed for the bootstrap.

    Returns
    -------
    low, high : float or None
        None where the clusters can't tell.
    method : str
        How the interval was computed, or why there is none.

    Notes
    -----
    The bootstrap draws clusters with Poisson weights. Clusters with equal sums share one weight,
    Poisson(m) for m of them, so only different sums cost time. Each replicate is studentized by its
    linearized standard error (bootstrap-t: Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, section 5.2), because rates over few sessions are skewed. Below 30 clusters
    the interval is t on the logarithm of the rate, with the same standard error, unless it would
    span more than a tenth to ten times the rate.
    """
    n = int(clusters.sum())
    if errors.sum() == 0:
        return None, None, "no error was seen"
    if n < 2:
        return None, None, "one cluster only"
    sums = np.stack([errors, words, errors**2, errors * words, words**2])
    rate, error = _ratio(sums @ clusters)
    if not error > 0:
        return None, None, "the clusters do not differ"
    error *= np.sqrt(n / (n - 1))
    if n < FEWEST_CLUSTERS:
        reach = stats.t.ppf(0.975, n - 1) * error / rate
        if reach > np.log(WIDEST):
            return None, None, f"{n} clusters tell no more than the rate's order of magnitude"
        method = f"{ON_THE_LOGARITHM}: fewer than {FEWEST_CLUSTERS} clusters"
        return float(rate * np.exp(-reach)), float(rate * np.exp(reach)), method
    rng = np.random.default_rng(seed)
    totals = np.zeros((len(sums), REPLICATES))
    for start in range(0, len(errors), 1000):
        part = slice(start, start + 1000)
        weights = rng.poisson(clusters[part, None], (len(errors[part]), REPLICATES))
        totals += sums[:, part] @ weights
    rates, spreads = _ratio(totals[:, totals[1] > 0])
    distances = (rates - rate)[spreads > 0] / spreads[spreads > 0]
    high, low = rate - np.quantile(distances, [0.025, 0.975]) * error
    return max(float(low), 0.0), float(high), "bootstrap"


def _ratio(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return errors over words, and the linearized standard error over clusters."""
    errors, words, errors_squared, products, words_squared = totals
    rate = errors / words
    variance = errors_squared - 2 * rate * products + rate**2 * words_squared
    # Rounding turns zero into a tiny number.
    variance = np.where(variance > 1e-9 * errors_squared, variance, 0)
    return rate, np.sqrt(variance) / words

"""The verdicts on the abandonment model and on what stands beside it."""

from __future__ import annotations

import math
from collections import Counter

from voice_ai_analytics.abandonment.gates import LEVEL, failed_gates
from voice_ai_analytics.abandonment.sample import ENDS

TREND = "log_odds_per_doubling"


def verdict(result: dict, declined: str | None) -> str:
    """Return the verdict in one sentence; `declined` says why nothing was estimated."""
    if declined is not None:
        return f"There is no evidence either way, because nothing could be estimated: {declined}."
    rows, auc = result["coefficients"], interval(result["auc"], "estimate", "")
    of_users = f" of {result['n_users']:,} users" if result["n_users"] else ""
    sample = f"{result['n_sessions']:,} sessions ({result['n_events']:,} abandoned){of_users}"
    separated = ", ".join(item["term"] for item in result["separation"])
    caveat = f"; no estimate is claimed for {separated} (separation)" if separated else ""
    end = f"the out-of-sample AUC is {auc}{caveat}."
    if result["strongest_predictor"] is None:
        *most, last = failed_gates(result)
        reasons = f"{', '.join(most)} and {last}" if most else last
        nearest = min(rows, key=lambda row: row["p_value"])
        return (
            f"There is no evidence of a predictor of abandonment in {sample}: {reasons}; of "
            f"{len(rows)} terms the nearest is {_name(nearest)}, {_effect(nearest)}; {end}"
        )
    best = next(row for row in rows if row["term"] == result["strongest_predictor"])
    return (
        f"In {sample}, {_name(best)} is the strongest predictor of {len(rows)} terms: it is "
        f"associated with abandonment, {_effect(best)}; {end}"
    )


def _name(row: dict) -> str:
    return f"{row['term']} (measured after the fact)" if row["is_after_the_fact"] else row["term"]


def _effect(row: dict) -> str:
    name, step = "odds_ratio", f"{row['level']} against {row['reference_level']}"
    if row["level"] is None:
        name, step = (
            "odds_ratio_per_sd",
            f"a standard deviation ({number(row['standard_deviation'])})",
        )
    low, high = (number(row[f"{name}_ci_{end}"]) for end in ("low", "high"))
    return (
        f"odds ratio {number(row[name])} (95% interval {low} to {high}, "
        f"q {probability(row['q_value'])}) for {step}"
    )


def hazard_verdict(result: dict) -> str:
    """Return the verdict on when sessions are abandoned."""
    first, last = result["bands"][0], result["bands"][-1]
    peak = max(result["bands"], key=lambda band: band["hazard"])
    sample = (
        f"in {result['n_sessions']:,} sessions with a user turn ({result['n_events']:,} abandoned)"
    )
    if result["n_users"]:
        sample += f" of {result['n_users']:,} users"
    if result["finding"] is None:
        return f"Too few users abandoned to compare turns, {sample}: {_share(first)}."
    ratio, low, high = (math.exp(result[f"{TREND}{end}"]) for end in ("", "_ci_low", "_ci_high"))
    tests = (
        f"{sample}, a constant hazard has p {probability(result['even_p_value'])}, and the odds"
        f" change by a factor of {ratio:.2f} ({low:.2f} to {high:.2f}) when the turn number doubles"
    )
    if result["finding"] == "none":
        start = "There is no evidence that abandonment differs between turns"
    elif result["finding"] != "uneven":
        start = f"Sessions are abandoned {result['finding']}"
    elif result["peak_p_value"] < LEVEL:
        start = f"Sessions are abandoned most often at user {band_name(peak)}"
    else:
        start = "Abandonment differs between user turns, but no turn stands out from all others"
    shares = "; ".join(_share(band) for band in result["bands"] if band in (first, peak, last))
    leaving = "; users who are more likely to leave go first, which alone can cause this"
    leaving = leaving if result["finding"] == "early" else ""
    return f"{start}: {shares}; {tests}{leaving}."


def band_name(band: dict) -> str:
    """Return the name of a band of turns, from the result or from its table."""
    if band["last_turn"] is None or math.isnan(band["last_turn"]):
        return f"turn {band['first_turn']:.0f} and later"
    if band["first_turn"] == band["last_turn"]:
        return f"turn {band['first_turn']:.0f}"
    return f"turns {band['first_turn']:.0f} to {band['last_turn']:.0f}"


def _share(band: dict) -> str:
    each = "" if band["first_turn"] == band["last_turn"] else " per turn"
    return (
        f"{100 * band['hazard']:.1f}%{each} at {band_name(band)}, which {band['n_sessions']:,}"
        " sessions reach"
    )


def transfer_verdict(result: dict, declined: str | None) -> str:
    """Return the verdict on transfers; `declined` says why nothing was estimated."""
    if declined:
        return f"Transfers as a separate outcome couldn't be estimated: {declined}."
    counted = ", ".join(f"{result[f'n_{end}']:,} {end}" for end in ENDS)
    p_value = result["cluster_wald_p_value"]
    if p_value is None or p_value >= LEVEL:
        told = (
            "users are too few to test so many terms"
            if p_value is None
            else f"p {p_value:.3f} for all"
        )
        return (
            f"With transfers as a separate outcome ({counted} sessions), there is no evidence of"
            f" any feature: {told}."
        )
    found = []
    for end in ENDS[1:]:
        rows = [row for row in result["coefficients"] if row["outcome"] == end]
        named = [
            f"{row['term']} (odds ratio {row['odds_ratio']:.2f}, "
            f"{row['odds_ratio_ci_low']:.2f} to {row['odds_ratio_ci_high']:.2f})"
            for row in sorted(rows, key=lambda row: row["q_value"])
            if row["q_value"] < LEVEL
        ]
        some = "there is no evidence of any feature" if not named else ", ".join(named)
        found.append(f"with {end} rather than completed: {some}")
    return f"With transfers as a separate outcome ({counted} sessions), {'; '.join(found)}."


def boosting_verdict(result: dict) -> str:
    """Return the verdict on boosted trees; their comparison may lack an interval."""
    told = (
        f"AUC {result['auc']:.3f} against {result['logistic_auc']:.3f} out of sample, in"
        f" {result['n_sessions']:,} sessions of {result['n_clusters']:,} users"
    )
    if result["ci_low"] is None:
        return f"There are too few users to compare boosting with the logistic model: {told}."
    told += (
        f"; difference {result['difference']:+.3f} ({result['ci_low']:+.3f} to"
        f" {result['ci_high']:+.3f})"
    )
    if result["ci_low"] > 0:
        return f"Boosting finds curves or interactions that the logistic model misses: {told}."
    if result["ci_high"] < 0:
        return f"Boosting predicts worse than the logistic model: {told}."
    return f"There is no evidence that boosting finds more than the logistic model: {told}."


def settings_verdict(rows: list[dict]) -> str:
    """Return the verdict on the model under other settings."""
    fitted = [row for row in rows if not row["declined"]]
    if not fitted:
        return "No setting could be estimated, so there is nothing to compare."
    counts = Counter(row["strongest_predictor"] or "" for row in fitted)
    told = "; ".join(
        f"{f'{name} is the strongest' if name else 'no evidence of a'} predictor in {n}"
        for name, n in counts.most_common()
    )
    start = f"All {len(fitted)} settings agree" if len(counts) == 1 else "The settings disagree"
    others = len(rows) - len(fitted)
    rest = f"; {others} more couldn't be estimated or wouldn't differ" if others else ""
    return f"{start}: {told}{rest}. They share sessions, so none confirms another."


def number(value: float | None) -> str:
    """Return a number with about two significant digits."""
    if value is None:
        return "unknown"
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"


def probability(value: float) -> str:
    """Return a p or q value with three decimals."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(row: dict, name: str, prefix: str) -> str:
    """Return an estimate with its interval in parentheses."""
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    return f"{number(row[name])} ({number(low)} to {number(high)})"

"""The verdict on the abandonment model."""

from __future__ import annotations

from voice_ai_analytics.abandonment.gates import failed_gates


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

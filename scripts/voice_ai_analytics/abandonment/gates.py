"""What must hold before the abandonment model names a strongest predictor."""

from __future__ import annotations

LEVEL = 0.05


def failed_gates(result: dict) -> list[str]:
    """Return the reasons against naming a predictor; none where one may be named."""
    failed = []
    if not any(row["q_value"] < LEVEL for row in result["coefficients"]):
        failed.append(f"no term has q below {LEVEL}")
    elif not _significant(result):
        failed.append(f"no term keeps q below {LEVEL} when users are left out in turn")
    if not result["auc"]["ci_low"] > 0.5:
        failed.append("the model does not beat chance out of sample")
    # The likelihood ratio takes sessions as independent; the Wald test, from the jackknife, not.
    if not max(result["likelihood_ratio_p_value"], result["cluster_wald_p_value"]) < LEVEL:
        failed.append("the model as a whole is not significant")
    return failed


def strongest(result: dict) -> str | None:
    """Return the term with the largest standardized effect; None where a gate fails."""
    if failed_gates(result):
        return None
    by_size = sorted(
        _significant(result), key=lambda r: abs(r["log_odds"] * r["standard_deviation"])
    )
    return by_size[-1]["term"]


def _significant(result: dict) -> list[dict]:
    return [
        row
        for row in result["coefficients"]
        if max(row["q_value"], row["jackknife_q_value"]) < LEVEL
    ]

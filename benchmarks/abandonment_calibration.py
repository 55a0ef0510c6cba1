"""Measures how often fit_abandonment errs, on simulated sessions whose truth is known.

Run from the repository root: `python benchmarks/abandonment_calibration.py`. It fits every data
set in full, takes a few minutes on one core, writes `abandonment_calibration.json` next to itself
and fails if a promise is broken: under the null a predictor is named in at most 5 % of the data
sets, and with a true effect the 95 % intervals cover it in 93 to 97 % of them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track
from scipy import special

from voice_ai_analytics.abandonment.model import fit_abandonment

TRUTH = {
    "opening_asr_confidence": -1.5,
    "opening_error_proportion": 0.6,
    "has_disability[yes]": 0.5,
}


def simulate(
    seed: int,
    users: int = 500,
    sessions_a_user: int = 3,
    alike: float = 0.0,
    truth: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Simulate a feature frame.

    Parameters
    ----------
    seed : int
        Random seed of the data set.
    users : int
        Number of users.
    sessions_a_user : int
        Mean of a geometric distribution: some users come far more often than most.
    alike : float
        Correlation, in [0, 1), of the latent outcomes of one user's sessions. A Gaussian copula
        joins them, so the log-odds in `truth` hold on average over users, which is what a
        logistic regression with clustered errors estimates.
    truth : dict of str to float, optional
        Log-odds of abandonment per unit, by term. By default, no term has an effect.
    """
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.geometric(1 / sessions_a_user, users))
    n = len(user)
    frame = pd.DataFrame(
        {
            "session_key": np.arange(n),
            "user_key": user,
            "is_eligible": True,
            "opening_asr_confidence": rng.beta(16, 4, users)[user] / 2 + rng.beta(8, 2, n) / 2,
            "opening_error_proportion": rng.binomial(3, 0.2, n) / 3,
            "opening_intent_confidence": rng.beta(6, 3, n),
            "is_first_time_digital_user": (rng.random(users) < 0.4)[user],
            "has_disability": (rng.random(users) < 0.2)[user],
            "region": rng.choice(["rural", "urban"], users, p=[0.35, 0.65])[user],
            "channel": rng.choice(["ivr", "voice"], n, p=[0.3, 0.7]),
            "language": rng.choice(["en", "hi", "ta"], users, p=[0.5, 0.3, 0.2])[user],
        }
    )
    log_odds = np.full(n, -0.8)
    for term, effect in (truth or {}).items():
        values = frame[term.removesuffix("[yes]")].to_numpy(dtype=float)
        log_odds += effect * (values - values.mean())
    latent = np.sqrt(alike) * rng.normal(size=users)[user] + np.sqrt(1 - alike) * rng.normal(size=n)
    abandoned = special.ndtr(latent) < special.expit(log_odds)
    return frame.assign(outcome=np.where(abandoned, "abandoned", "completed"))


def named_under_null(data_sets: int, **scenario) -> dict:
    """Count the data sets without any effect in which a predictor is named anyway."""
    models = [
        fit_abandonment(simulate(seed, **scenario)).to_json()
        for seed in track(range(data_sets), f"no effect: {scenario}")
    ]
    any_q = [any(row["q_value"] < 0.05 for row in model["coefficients"]) for model in models]
    named = [model["strongest_predictor"] is not None for model in models]
    return {
        "data_sets": data_sets,
        **scenario,
        "estimated": sum(bool(model["coefficients"]) for model in models),
        "share_with_a_q_below_0_05": float(np.mean(any_q)),
        "share_naming_a_predictor": float(np.mean(named)),
    }


def coverage(data_sets: int, **scenario) -> dict:
    """Count the data sets in which the interval of each log-odds covers the truth."""
    covered, named = [], []
    for seed in track(range(data_sets), f"true effect: {scenario}"):
        frame = simulate(seed, truth=TRUTH, **scenario)
        model = fit_abandonment(frame, folds=2, bootstrap=100).to_json()
        named.append(model["strongest_predictor"] in TRUTH)
        covered.append(
            {
                row["term"]: row["ci_low"] <= TRUTH.get(row["term"], 0.0) <= row["ci_high"]
                for row in model["coefficients"]
            }
        )
    return {
        "data_sets": data_sets,
        **scenario,
        "true_log_odds": TRUTH,
        "coverage": pd.DataFrame(covered).mean().round(4).to_dict(),
        "share_naming_a_true_effect": float(np.mean(named)),
    }


def main() -> int:
    """Run all scenarios, write the JSON, and return 1 if a promise is broken."""
    nulls = [
        named_under_null(200, users=500, sessions_a_user=3, alike=0.0),
        named_under_null(200, users=500, sessions_a_user=3, alike=0.6),
        named_under_null(200, users=60, sessions_a_user=25, alike=0.6),
        named_under_null(200, users=20, sessions_a_user=75, alike=0.6),
    ]
    effects = [
        coverage(1000, users=500, sessions_a_user=3, alike=0.0),
        coverage(1000, users=500, sessions_a_user=3, alike=0.6),
    ]
    kept = all(run["share_naming_a_predictor"] <= 0.05 for run in nulls) and all(
        0.93 <= run["coverage"][term] <= 0.97 for run in effects for term in TRUTH
    )
    result = {"no_effect": nulls, "true_effect": effects, "promises_kept": kept}
    text = json.dumps(result, indent=2)
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

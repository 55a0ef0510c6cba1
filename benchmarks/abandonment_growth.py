"""Measures the analyses beside the abandonment model, on sessions whose truth is known.

    python benchmarks/abandonment_growth.py [--data-sets 200] [--sessions 1000000]

With a constant hazard, for independent users and for users whose sessions are alike, sessions may
be called abandoned early in at most 5 % of the data sets. The same goes for transfers without any
effect, and for boosting. It then runs the whole study on a million sessions, writes
`abandonment_growth.json` next to itself, and fails if a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from abandonment_calibration import TRUTH, simulate
from rich.progress import track
from scipy import special

from voice_ai_analytics.abandonment.estimate import study_abandonment
from voice_ai_analytics.abandonment.hazard import fit_hazard
from voice_ai_analytics.abandonment.model import fit_abandonment
from voice_ai_analytics.abandonment.multinomial import fit_multinomial

SCENARIOS = (
    {"users": 500, "sessions_a_user": 3, "alike": 0.0},
    {"users": 500, "sessions_a_user": 3, "alike": 0.6},
    {"users": 60, "sessions_a_user": 25, "alike": 0.6},
    {"users": 35, "sessions_a_user": 40, "alike": 0.6},
)


def conversations(
    seed: int,
    hazard: float = 0.08,
    per_doubling: float = 0.0,
    users: int = 500,
    sessions_a_user: int = 3,
    alike: float = 0.0,
    apart: float = 0.0,
) -> pd.DataFrame:
    """Simulate sessions that end at each user turn, as likely abandoned as ended otherwise.

    Parameters
    ----------
    seed : int
        Random seed of the data set.
    hazard : float
        The hazard of abandonment at turn 1.
    per_doubling : float
        What doubling the turn number adds to the log-odds of abandonment.
    users, sessions_a_user, alike
        As for `simulate`: a copula joins a user's sessions, so the hazard at each turn is the
        same over all users.
    apart : float
        Standard deviation over users of the log-odds of a hazard that is constant for each user.
        Over all users it then falls, because those prone to abandon leave first. Replaces
        `alike`.
    """
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.geometric(1 / sessions_a_user, users))
    n, most = len(user), 40
    latent = np.sqrt(alike) * rng.normal(size=users)[user] + np.sqrt(1 - alike) * rng.normal(size=n)
    turns = np.arange(1, most + 1)
    at_turn = special.expit(special.logit(hazard) + per_doubling * np.log2(turns))
    survival = np.cumprod(1 - at_turn)
    abandoned_at = 1 + np.searchsorted(-survival, special.ndtr(latent) - 1)
    if apart:
        own = special.expit(special.logit(hazard) + apart * rng.normal(size=users))[user]
        abandoned_at = rng.geometric(own)
    other_at = np.minimum(rng.geometric(0.25, n), most)
    return pd.DataFrame(
        {
            "session_key": np.arange(n),
            "user_key": user,
            "is_eligible": True,
            "outcome": np.where(
                abandoned_at <= other_at,
                "abandoned",
                rng.choice(["completed", "transferred"], n, p=[0.8, 0.2]),
            ),
            "user_turn_count": np.minimum(abandoned_at, other_at),
        }
    )


def hazards(data_sets: int, **scenario) -> dict:
    """Count the findings about turns."""
    every = [
        fit_hazard(conversations(seed, **scenario))
        for seed in track(range(data_sets), f"hazards: {scenario}")
    ]
    found = pd.Series([one["finding"] for one in every], dtype="object")
    shares = found.fillna("nothing claimed").value_counts(normalize=True)
    return {"data_sets": data_sets, **scenario, "found": shares.round(4).to_dict()}


def hazard_coverage(data_sets: int, **scenario) -> dict:
    """Count how often a band's interval covers the simulated hazard."""
    covered = [
        band["ci_low"] <= 0.08 <= band["ci_high"]
        for seed in track(range(data_sets), f"coverage: {scenario}")
        for band in fit_hazard(conversations(seed, **scenario))["bands"]
    ]
    share = round(float(np.mean(covered)), 4)
    return {"data_sets": data_sets, **scenario, "intervals": len(covered), "covered": share}


def with_transfers(seed: int, **scenario) -> pd.DataFrame:
    """Simulate a feature frame where no feature affects transfer or abandonment."""
    frame = simulate(seed, **scenario)
    chance = np.random.default_rng(seed).random(len(frame))
    return frame.assign(outcome=frame["outcome"].mask(chance < 0.15, "transferred"))


def transfers(data_sets: int, **scenario) -> dict:
    """Count the data sets without any effect in which the multinomial model finds one."""
    named = [
        "odds ratio" in fit_multinomial(with_transfers(seed, **scenario))["verdict"]
        for seed in track(range(data_sets), f"transfers: {scenario}")
    ]
    share = float(np.mean(named))
    return {"data_sets": data_sets, **scenario, "share_naming_a_feature": share}


def boosted(data_sets: int, curved: bool) -> dict:
    """Count the data sets in which boosting supposedly beats the logistic model."""
    found = []
    for seed in track(range(data_sets), f"boosting, curved: {curved}"):
        frame = simulate(seed, truth=TRUTH)
        if curved:
            from_middle = np.abs(frame["opening_intent_confidence"] - 2 / 3)
            chance = np.random.default_rng(seed).random(len(frame))
            abandoned = chance < special.expit(-2.2 + 12 * from_middle)
            frame["outcome"] = np.where(abandoned, "abandoned", "completed")
        model = fit_abandonment(frame, bootstrap=100, boosting=True).result["boosting"]
        found.append(model["ci_low"] > 0)
    return {"data_sets": data_sets, "curved": curved, "share_finding_more": float(np.mean(found))}


def study(n: int) -> dict:
    """Time the whole study, with openings for four values of k."""
    frame = simulate(1, users=n // 3, sessions_a_user=3, alike=0.3, truth=TRUTH)
    rng = np.random.default_rng(1)
    transferred = rng.random(len(frame)) < 0.07
    frame["outcome"] = frame["outcome"].mask(transferred, "transferred")
    frame["opening_user_turns"] = 3
    frame["user_turn_count"] = rng.geometric(0.25, len(frame))
    openings = frame[["session_key"]].assign(
        **{
            f"{name}_{k}": frame[name]
            for name in frame.columns
            if name.startswith("opening_")
            for k in (1, 2, 3, 5)
        }
    )
    begun, cpu = time.perf_counter(), time.process_time()
    result = study_abandonment(frame, openings).to_json()
    return {
        "sessions": len(frame),
        "users": result["n_users"],
        "terms": len(result["coefficients"]),
        "settings": len(result["sensitivity"]["settings"]),
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "load_average": os.getloadavg()[0],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def main() -> int:
    """Run all, write the JSON, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    n = options.data_sets
    even = [hazards(n, **scenario) for scenario in SCENARIOS]
    covered = [hazard_coverage(n, **scenario) for scenario in SCENARIOS]
    falling = [hazards(n, per_doubling=-0.5, **SCENARIOS[1])]
    apart = [hazards(n, users=500, sessions_a_user=3, apart=1.0)]
    ends = [transfers(n, **scenario) for scenario in SCENARIOS[:3]]
    boosting = [boosted(n // 2, curved) for curved in (False, True)]
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "even_hazard": even,
        "hazard_coverage": covered,
        "falling_hazard": falling,
        "users_apart": apart,
        "transfers_without_effect": ends,
        "boosting": boosting,
        "study": study(options.sessions) if options.sessions else None,
    }
    kept = (
        all(run["found"].get(what, 0) <= 0.05 for run in even for what in ("early", "late"))
        and all(run["share_naming_a_feature"] <= 0.05 for run in ends)
        and boosting[0]["share_finding_more"] <= 0.05
    )
    text = json.dumps(result | {"promises_kept": kept}, indent=2)
    options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

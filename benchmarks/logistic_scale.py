"""Measures what a logistic regression with clustered errors costs at a million sessions.

    python benchmarks/logistic_scale.py [--sessions 1000000] [--repeats 5]

`fit_logistic` and statsmodels' GLM fit the same rows in turn, each in its own process, with errors
clustered by user. Then `fit_abandonment` runs in full. It writes `logistic_scale.json` next to
itself, and fails if a promise is broken: three times as fast, equal to 1e-6, under 4 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.api as sm
from abandonment_calibration import TRUTH, simulate

from voice_ai_analytics.abandonment.model import fit_abandonment
from voice_ai_analytics.statistics.logistic import LogisticFit, fit_logistic

FEATURES = 12


def sessions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a constant, six numbers, six levels, outcomes and users, three sessions per user."""
    rng = np.random.default_rng(1)
    numbers, levels = rng.normal(size=(n, FEATURES // 2)), rng.random((n, FEATURES // 2)) < 0.3
    columns = np.column_stack([np.ones(n), numbers, levels])
    user = np.unique(rng.integers(0, n // 3, n), return_inverse=True)[1]
    habit = rng.normal(0, 0.5, n)[user]
    log_odds = columns @ np.linspace(-0.5, 0.5, FEATURES + 1) + habit
    return columns, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float), user


def ours(columns, outcome, user) -> LogisticFit:
    """Fit with this package."""
    return fit_logistic(columns, outcome, user)


def theirs(columns, outcome, user) -> LogisticFit:
    """Fit with statsmodels."""
    fit = sm.GLM(outcome, columns, sm.families.Binomial()).fit(
        tol=1e-8, tol_criterion="params", cov_type="cluster", cov_kwds={"groups": user}
    )
    return LogisticFit(fit.params, fit.cov_params(), fit.llf, fit.converged)


def measured(fit, n: int) -> dict:
    """Time a fit and its process's peak memory; the clock starts once the data exist."""
    columns, outcome, user = sessions(n)
    begun = time.perf_counter()
    result = fit(columns, outcome, user)
    return {
        "seconds": time.perf_counter() - begun,
        "peak_memory_mb": peak_memory_mb(),
        "params": result.params,
        "std_errors": np.sqrt(np.diag(result.covariance)),
    }


def whole(n: int) -> dict:
    """Time the abandonment model, with jackknife, marginal effects, folds and bootstrap."""
    frame = simulate(1, users=n // 3, sessions_a_user=3, alike=0.3, truth=TRUTH)
    begun = time.perf_counter()
    result = fit_abandonment(frame).to_json()
    return {
        "sessions": result["n_sessions"],
        "users": result["n_users"],
        "terms": len(result["coefficients"]),
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_memory_mb": peak_memory_mb(),
    }


def peak_memory_mb() -> int:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def alone(function, *arguments):
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> int:
    """Run all, write the JSON, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    pairs = [
        [alone(measured, fit, options.sessions) for fit in (ours, theirs)]
        for _ in range(options.repeats)
    ]
    ratios = [their["seconds"] / our["seconds"] for our, their in pairs]
    our, their = pairs[0]
    result = {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "statsmodels": statsmodels.__version__,
            "load_average": os.getloadavg()[0],
        },
        "sessions": options.sessions,
        "features": FEATURES,
        "seconds": [round(our["seconds"], 2) for our, _ in pairs],
        "statsmodels_seconds": [round(their["seconds"], 2) for _, their in pairs],
        "times_as_fast": {"median": float(np.median(ratios)), "least": min(ratios)},
        "peak_memory_mb": max(our["peak_memory_mb"] for our, _ in pairs),
        "statsmodels_peak_memory_mb": max(their["peak_memory_mb"] for _, their in pairs),
        "largest_difference": {
            name: float(np.abs(our[name] - their[name]).max()) for name in ("params", "std_errors")
        },
        "fit_abandonment": alone(whole, options.sessions),
    }
    kept = (
        result["times_as_fast"]["median"] >= 3
        and max(result["largest_difference"].values()) <= 1e-6
        and max(result["peak_memory_mb"], result["fit_abandonment"]["peak_memory_mb"]) < 4096
    )
    text = json.dumps(result | {"promises_kept": kept}, indent=2)
    options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

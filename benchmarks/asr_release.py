"""Measures whether compare-asr raises false alarms, and whether its intervals cover the truth.

    python benchmarks/asr_release.py [--parts series coverage] [--json benchmarks/asr_release.json]

It simulates deployments whose truth is known: users differ and come back, languages and channels
differ, and weeks can have shocks, a trend, or another mix of sessions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, ERROR_TURN, TRANSFER
from voice_ai_analytics.releases.effects import adjusted, choose_strata, paired, raw
from voice_ai_analytics.releases.estimate import compare_releases
from voice_ai_analytics.releases.frame import METRICS, metric_rows
from voice_ai_analytics.releases.groups import difference_in_differences, find_design
from voice_ai_analytics.releases.series import segmented

LANGUAGES = np.array(["en", "hi", "es", "ta"], dtype=object)
MONDAY = np.datetime64("2026-01-05")


def deployment(
    rng: np.random.Generator,
    users: int = 800,
    sessions_of_a_user: float = 3,
    skewed: bool = False,
    weeks: int = 10,
    effect: float = 0.0,
    shift: float = 0.0,
    shock: float = 0.0,
    trend: float = 0.0,
    kept: tuple[str, ...] = (),
    kept_trend: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the sessions and the evaluations of two releases.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    users, sessions_of_a_user, skewed : int, float, bool
        How many users, how many sessions each has on average, and whether a few have far more.
    weeks : int
        Weeks of each release.
    effect : float
        What the later release adds to completion.
    shift : float
        The share of other languages' sessions that Tamil takes over with the later release.
    shock : float
        Standard deviation of completion between weeks.
    trend : float
        What each week adds to completion.
    kept : tuple of str
        Languages that keep the earlier release.
    kept_trend : float
        What each week adds to completion in these languages only.

    Returns
    -------
    sessions, evaluations : pandas.DataFrame
        Like those of `read_releases`.
    """
    many = rng.pareto(1.5, users) * sessions_of_a_user / 2 if skewed else sessions_of_a_user - 1
    n = 1 + rng.poisson(np.minimum(many, 60), users)
    user = np.repeat(np.arange(users), n)
    size = len(user)
    own = rng.normal(0, 0.1, users)[user]
    language = rng.choice(4, users, p=[0.4, 0.25, 0.2, 0.15])[user]
    week = rng.integers(0, 2 * weeks, size)
    is_late = week >= weeks
    language = np.where(is_late & (rng.random(size) < shift), 3, language)
    channel = rng.integers(0, 2, size)
    is_kept = np.isin(LANGUAGES[language], kept)
    is_after = is_late & ~is_kept
    chance = 0.68 - 0.1 * language / 1.5 + 0.04 * channel + own + effect * is_after
    chance += rng.normal(0, shock, 2 * weeks)[week] + trend * week + kept_trend * week * is_kept
    completed = rng.random(size) < np.clip(chance, 0.02, 0.98)
    abandoned = ~completed & (rng.random(size) < 0.75)
    turns = 4 + rng.poisson(4, size)
    sessions = pd.DataFrame(
        {
            "session_key": np.arange(size).astype(str),
            "user_key": pd.Series(user).astype(str),
            "started_on": MONDAY + (7 * week + rng.integers(0, 7, size)).astype("timedelta64[D]"),
            "is_after": is_after.astype(int),
            "language": LANGUAGES[language],
            "channel": np.array(["voice", "ivr"], dtype=object)[channel],
            "region": np.array(["north", "south"], dtype=object)[user % 2],
            "has_disability": np.array(["false", "true"], dtype=object)[
                (user % 10 == 0).astype(int)
            ],
            "is_first_time_digital_user": np.array(["false", "true"], dtype=object)[user % 3 // 2],
            **{metric.rate.denominator: 1 for metric in METRICS[:3]},
            COMPLETION.numerator: completed.astype(int),
            ABANDONMENT.numerator: abandoned.astype(int),
            TRANSFER.numerator: (~completed & ~abandoned).astype(int),
            ERROR_TURN.denominator: turns,
            ERROR_TURN.numerator: rng.binomial(turns, np.clip(0.08 + own / 5, 0.01, 0.3)),
        }
    )
    chosen = sessions[rng.random(size) < 0.4]
    words = rng.poisson(12, len(chosen)) + 1
    wrong = np.clip(0.2 + own[chosen.index] / 3, 0.02, 0.6)
    evaluations = chosen.assign(first_normalizer="basic", last_normalizer="basic")
    evaluations = evaluations.assign(first_unit="word", last_unit="word")
    for arm, name in enumerate(("before", "after")):
        its = chosen["is_after"].to_numpy() == arm
        errors = rng.binomial(words, wrong).astype(float)
        evaluations[f"errors_{name}"] = np.where(its, errors, np.nan)
        evaluations[f"words_{name}"] = np.where(its, words.astype(float), np.nan)
        evaluations[f"paired_errors_{name}"] = np.nan
        evaluations[f"paired_words_{name}"] = np.nan
    return sessions, evaluations.reset_index(drop=True)


def false_alarms(repeats: int, seed: int, **options) -> dict:
    """Count the comparisons in which a metric is said to have changed."""
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(repeats):
        result = compare_releases(*deployment(rng, **options), "A", "B", 5)
        verdicts.append([effect["verdict"] for effect in result.primary])
    verdicts = np.array(verdicts)
    is_claimed = np.isin(verdicts, ["improved", "worsened"])
    return {
        **options,
        "runs": repeats,
        "with_a_claim": float(is_claimed.any(1).mean()),
        "completion_claimed": float(is_claimed[:, 0].mean()),
        "completion_cannot_be_told": float((verdicts[:, 0] == "cannot be told").mean()),
    }


def covers(effect: dict, truth: float) -> bool:
    """Return whether an interval covers the truth."""
    return effect["ci_low"] <= truth <= effect["ci_high"]


def coverage(repeats: int, seed: int, **options) -> dict:
    """Count how often the raw and the adjusted interval of completion cover the effect."""
    rng = np.random.default_rng(seed)
    truth, found = options.get("effect", 0.0), []
    for _ in range(repeats):
        rows = metric_rows(deployment(rng, **options)[0], METRICS[0])
        effect, _influence = adjusted(rows, choose_strata(rows))
        found.append(
            (
                covers(raw(rows, METRICS[0]), truth),
                covers(effect, truth),
                effect["clustered_by"] == "week",
                effect["difference"],
                effect["std_error"],
            )
        )
    raw_covers, adjusted_covers, by_week, difference, error = np.array(found, dtype=float).T
    return {
        **options,
        "samples": repeats,
        "raw_covered": float(raw_covers.mean()),
        "adjusted_covered": float(adjusted_covers.mean()),
        "clustered_by_week": float(by_week.mean()),
        "bias": float(difference.mean() - truth),
        "mean_error_over_spread": float(error.mean() / difference.std()),
    }


def series(repeats: int) -> list[dict]:
    """Count how often the interval of a jump covers it if neighboring weeks are alike."""
    rng, results = np.random.default_rng(3), []
    for before, after in ((8, 8), (8, 26), (12, 12), (26, 26)):
        time = np.arange(-before, after)
        for r in (0.0, 0.3, 0.6):
            covered = np.zeros(2)
            for _ in range(repeats):
                noise = rng.normal(0, 0.03, len(time))
                noise[1:] *= np.sqrt(1 - r**2)
                for place in range(1, len(time)):
                    noise[place] += r * noise[place - 1]
                rate = 0.6 + 0.002 * time + (time >= 0) * (0.05 + 0.001 * time) + noise
                truths = (0.05, 0.05 + 0.001 * time.max())
                for place, effect in enumerate(segmented(rate, time)):
                    covered[place] += covers(effect, truths[place])
            results.append(
                {
                    "weeks_before": before,
                    "weeks_after": after,
                    "autocorrelation": r,
                    "samples": repeats,
                    "covered_at_the_release": float(covered[0] / repeats),
                    "covered_in_the_last_week": float(covered[1] / repeats),
                }
            )
    return results


def groups(repeats: int, seed: int, **options) -> dict:
    """Count how often the difference in differences covers the effect, or declines."""
    rng = np.random.default_rng(seed)
    covered, declined = [], 0
    for _ in range(repeats):
        rows = metric_rows(deployment(rng, **options)[0], METRICS[0])
        effect, reason = difference_in_differences(find_design(rows))
        declined += bool(reason)
        if not reason:
            covered.append(covers(effect, options.get("effect", 0.0)))
    return {
        **options,
        "samples": repeats,
        "declined": declined / repeats,
        "covered_unless_declined": float(np.mean(covered)),
    }


def pairs(repeats: int, users: int) -> dict:
    """Count how often the paired interval of word errors covers the truth."""
    rng, covered = np.random.default_rng(5), 0
    for _ in range(repeats):
        user = np.repeat(np.arange(users), 1 + rng.poisson(2, users))
        hard = rng.beta(2, 8, users)[user]
        words = rng.poisson(15, len(user)) + 1.0
        frame = pd.DataFrame({"user_key": user.astype(str), "session_key": ""})
        for name, factor in (("before", 1.0), ("after", 0.9)):
            frame[f"paired_words_{name}"] = words
            frame[f"paired_errors_{name}"] = rng.binomial(words.astype(int), factor * hard)
        covered += covers(paired(frame), -0.02)
    return {"users": users, "samples": repeats, "covered": float(covered / repeats)}


HEAVY = {"users": 250, "sessions_of_a_user": 6, "skewed": True}
PARTS = {
    "false_alarms": lambda repeats: [
        false_alarms(repeats // 5, 1),
        false_alarms(repeats // 5, 11, **HEAVY),
        *(
            false_alarms(repeats // 5, 12 + place, **options)
            for place, options in enumerate(
                (
                    {"shift": 0.5},
                    {"shock": 0.04},
                    {"shock": 0.04, "weeks": 4},
                    {"trend": 0.006},
                    {"kept": ("hi", "ta")},
                    {"effect": 0.1},
                )
            )
        ),
    ],
    "coverage": lambda repeats: [
        coverage(repeats, 2, effect=0.05),
        coverage(repeats, 21, effect=0.05, sessions_of_a_user=1, users=1600),
        coverage(repeats, 22, effect=0.05, **HEAVY),
        coverage(repeats, 23, effect=0.05, users=120, sessions_of_a_user=4, weeks=4),
        coverage(repeats, 24, shift=0.5),
        coverage(repeats, 25, effect=0.05, shock=0.04),
        coverage(repeats, 26, effect=0.05, shock=0.04, weeks=4),
    ],
    "series": series,
    "difference_in_differences": lambda repeats: [
        groups(repeats // 2, 4, effect=0.05, kept=("hi", "ta"), trend=0.005),
        groups(repeats // 2, 41, effect=0.05, kept=("ta",), shock=0.04),
        groups(repeats // 5, 42, kept=("hi", "ta"), kept_trend=-0.02),
    ],
    "paired": lambda repeats: [pairs(repeats, 40), pairs(repeats, 300)],
}


@threadpool_limits.wrap(limits=1)
def main() -> None:
    """Run the parts asked for, and write the results next to those of other parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.is_file() else {}
    results["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    for part in options.parts:
        results[part] = PARTS[part](options.repeats)
        print(json.dumps(results[part], indent=2), flush=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Measures how often voice-ai segment is right, and whether its intervals cover the truth.

    python benchmarks/segments.py [--repeats 200] [--json benchmarks/segments.json]

Sessions of one user are alike in outcome, errors and channel, and a few users have many of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, ERROR_TURN
from voice_ai_analytics.segments.discovery import (
    OPENING,
    confirm,
    halved,
    hold,
    reached,
    search,
)
from voice_ai_analytics.segments.estimate import segment
from voice_ai_analytics.segments.gaps import MEASURES, compare_cohorts

MIN_COHORT_SIZE = 5


@dataclass(frozen=True)
class World:
    """How sessions are generated; effects are log-odds.

    `rural` and `tamil` change completion and errors of cohorts; `planted` changes completion of
    ivr sessions with an error in their opening. `alike` is how much users differ. `tail` is the
    Pareto index of sessions per user: the smaller it is, the more of them a few users have.
    """

    users: int
    rural: float = 0.0
    tamil: float = 0.0
    planted: float = 0.0
    alike: float = 0.8
    tail: float = 1.3


def simulate(world: World, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw sessions and their openings."""
    rng = np.random.default_rng(seed)
    users = world.users
    region = rng.choice(["urban", "rural", "peri_urban", None], users, p=[0.45, 0.3, 0.2, 0.05])
    language = rng.choice(["en", "hi", "ta", "sw"], users, p=[0.4, 0.3, 0.2, 0.1])
    disability = rng.choice(["true", "false", None], users, p=[0.12, 0.8, 0.08])
    first_time = rng.choice(["true", "false"], users, p=[0.3, 0.7])
    temper, trouble = world.alike * rng.standard_normal((2, users))
    habit = rng.dirichlet([1.5, 1.0, 0.7], users).cumsum(axis=1)
    # Most users come once or twice, and a few come often.
    visits = np.minimum(1 + rng.pareto(world.tail, users).astype(int), 60)
    user = np.repeat(np.arange(users), visits)
    n = len(user)
    channel = (rng.random(n)[:, None] > habit[user]).sum(axis=1)
    turns = 1 + rng.poisson(4, n)
    gap = world.rural * (region == "rural") + world.tamil * (language == "ta")
    error = 1 / (1 + np.exp(2.2 - trouble[user] + gap[user]))
    opening_errors = rng.binomial(OPENING, error)
    late_errors = rng.binomial(turns, error)
    in_plot = (channel == 1) & (opening_errors >= 1) & (turns >= OPENING)
    odds = 0.7 + temper[user] + gap[user] + world.planted * in_plot
    completed = rng.random(n) < 1 / (1 + np.exp(-odds))
    frame = pd.DataFrame(
        {
            "session_key": np.arange(n),
            "user_key": user,
            COMPLETION.denominator: rng.random(n) < 0.97,
            ERROR_TURN.denominator: 2 * turns,
            ERROR_TURN.numerator: late_errors,
            "channel": np.array(["voice", "ivr", "chat"])[channel],
            "platform": "benchmark",
            "asr_model": "1.0",
            "started_hour": rng.integers(0, 24, n).astype(float),
        }
    )
    eligible = frame[COMPLETION.denominator]
    frame[COMPLETION.numerator] = completed & eligible
    frame[ABANDONMENT.numerator] = ~completed & eligible & (rng.random(n) < 0.8)
    frame[ABANDONMENT.denominator] = eligible
    cohorts = {"region": region, "has_disability": disability, "language": language}
    for name, values in (cohorts | {"is_first_time_digital_user": first_time}).items():
        frame[name] = values[user]
    confidence = np.clip(0.85 - 0.4 * error + rng.normal(0, 0.08, n), 0, 1)
    openings = pd.DataFrame(
        {
            "session_key": np.arange(n),
            "opening_errors": opening_errors.astype(float),
            "opening_interruptions": rng.binomial(OPENING, 0.1, n).astype(float),
            "opening_asr_confidence": np.where(channel == 2, np.nan, confidence),
            "opening_intent_confidence": rng.beta(8, 2, n),
        }
    )
    return frame, openings[turns >= OPENING]


def names(row: dict) -> tuple:
    """Return which comparison a row belongs to."""
    return row["dimension"], row["level"], row["measure"]


def nulls(world: World, repeats: int) -> dict:
    """Count the data sets without any effect in which a gap, or a segment, is named."""
    gaps = segments = 0
    judged, candidates = [], []
    for seed in range(repeats):
        sessions, openings = simulate(world, seed)
        result = segment(sessions, openings, MIN_COHORT_SIZE, seed)
        p = [row for row in result.gaps if row["q_value"] is not None]
        judged.append(len(p))
        candidates.append(result.found["tested"])
        gaps += any(row["q_value"] < 0.05 for row in p)
        segments += bool(result.found["segments"])
    return {
        "users": world.users,
        "data_sets": repeats,
        "named_a_gap": gaps / repeats,
        "showed_a_segment": segments / repeats,
        "mean_comparisons": float(np.mean(judged)),
        "mean_segments_tested": float(np.mean(candidates)),
    }


def gap_coverage(world: World, population: pd.DataFrame, repeats: int) -> dict:
    """Count how often gaps' intervals cover the truth, taken from a huge population."""
    truth = {names(row): row["gap"] for row in compare_cohorts(population, MIN_COHORT_SIZE)[0]}
    covered, named = {rate.metric: [] for rate in MEASURES}, []
    for seed in range(repeats):
        rows, _ = compare_cohorts(simulate(world, seed)[0], MIN_COHORT_SIZE)
        for row in rows:
            if row["q_value"] is not None:
                hit = row["ci_low"] <= truth[names(row)] <= row["ci_high"]
                covered[row["measure"]].append(hit)
        named.append(
            any(
                names(row) == ("region", "rural", "voice_ai_completion_rate")
                and row["q_value"] is not None
                and row["q_value"] < 0.05
                for row in rows
            )
        )
    return {
        "users": world.users,
        "data_sets": repeats,
        "true_rural_completion_gap": truth["region", "rural", "voice_ai_completion_rate"],
        "covered": {measure: float(np.mean(hits)) for measure, hits in covered.items()},
        "intervals": {measure: len(hits) for measure, hits in covered.items()},
        "rural_completion_gap_named": float(np.mean(named)),
    }


def segment_coverage(world: World, population: tuple, repeats: int) -> dict:
    """Count how often held-out intervals cover the truth about the rule that was found."""
    whole = reached(*population)
    truth, covered, shown_covered, seen, true = {}, [], [], [], []
    found = planted = 0
    for seed in range(repeats):
        sample = reached(*simulate(world, seed))
        is_search = halved(sample, seed)
        halves = sample[is_search], sample[~is_search]
        rules = search(halves[0], seed)
        tested, shown = confirm([[hold(h, r) for h in halves] for r in rules], MIN_COHORT_SIZE)
        words = [row["rule"] for row in shown]
        found += bool(shown)
        planted += any("errors" in rule and "channel: ivr" in rule for rule in words)
        truth |= {one["rule"]: one["gap"] for one in (hold(whole, rule) for rule in rules)}
        for row in tested:
            hit = row["ci_low"] <= truth[row["rule"]] <= row["ci_high"]
            covered.append(hit)
            seen.append(abs(row["seen"]))
            true.append(abs(truth[row["rule"]]))
            if row["rule"] in words:
                shown_covered.append(hit)
    return {
        "users": world.users,
        "planted_log_odds": world.planted,
        "true_gap_of_the_planted": _planted(whole),
        "data_sets": repeats,
        "showed_a_segment": found / repeats,
        "showed_the_planted": planted / repeats,
        "tested": len(covered),
        "covered": float(np.mean(covered)),
        "shown": len(shown_covered),
        "shown_covered": float(np.mean(shown_covered)) if shown_covered else None,
        "mean_size_of_gap_in_the_search": float(np.mean(seen)),
        "mean_size_of_gap_in_truth": float(np.mean(true)),
    }


def _planted(whole: pd.DataFrame) -> float:
    inside = (whole["channel"] == "ivr") & (whole["opening_errors"] >= 1)
    completed = whole[COMPLETION.numerator]
    return float(completed[inside].mean() - completed[~inside].mean())


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    begun = time.perf_counter()
    results = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "nulls": [nulls(World(users), options.repeats) for users in (400, 1500)],
    }
    effects = {"rural": -0.6, "tamil": -0.4}
    population = simulate(World(100_000, **effects), 1)[0]
    results["gaps"] = [
        gap_coverage(World(users, **effects), population, options.repeats) for users in (400, 1500)
    ]
    results["segments"] = []
    for planted, users in ((-1.6, 400), (-1.6, 1500), (-0.8, 1500)):
        population = simulate(World(50_000, planted=planted), 2)
        world = World(users, planted=planted)
        results["segments"].append(segment_coverage(world, population, options.repeats))
    results["seconds"] = round(time.perf_counter() - begun)
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

"""What is fixed for the whole run: users, who comes when, and where broken rows go."""

import math
from dataclasses import dataclass

import numpy as np

from voice_ai_analytics.simulate.draws import draw
from voice_ai_analytics.simulate.world import BROKEN_SESSIONS, BROKEN_TURNS, DIRT, WEEKS


@dataclass(frozen=True)
class Plan:
    """Arrays over users, arrays over sessions in order of time, and the hosts of broken rows."""

    region: np.ndarray
    disability: np.ndarray
    first_time: np.ndarray
    language: np.ndarray
    user: np.ndarray
    start: np.ndarray  # seconds since START
    without_turns: np.ndarray
    broken: dict[str, np.ndarray]  # name -> sorted sessions that an extra row is added to


def plan_sessions(rng: np.random.Generator, sessions: int) -> Plan:
    """Return the plan of a run with this many sessions."""
    user = _visits(rng, sessions)
    users = int(user[-1]) + 1
    region = draw(rng, [0.34, 0.46, 0.20], users)
    first_time = rng.random(users) < np.array([0.42, 0.24, 0.32])[region]
    language_shares = np.array(
        [
            [0.22, 0.32, 0.14, 0.14, 0.18],  # rural
            [0.46, 0.24, 0.17, 0.07, 0.06],  # urban
            [0.36, 0.28, 0.15, 0.10, 0.11],  # peri_urban
        ]
    )
    language = draw(rng, language_shares[region], users)
    disability = rng.random(users) < 0.11

    start = _start_seconds(rng, user)
    order = np.argsort(start, kind="stable")
    without_turns = np.zeros(sessions, dtype=bool)
    lost = round(DIRT["sessions_without_turns"][1] * sessions)
    without_turns[rng.choice(sessions, lost, replace=False)] = True

    sizes = {
        name: math.ceil(share * sessions)
        for name, share in (BROKEN_SESSIONS | BROKEN_TURNS).items()
    }
    candidates = np.flatnonzero(~without_turns)
    total = sum(sizes.values())
    hosts = rng.choice(candidates, total, replace=total > len(candidates))
    ends = np.cumsum(list(sizes.values()))
    broken = {
        name: np.sort(part) for name, part in zip(sizes, np.split(hosts, ends[:-1]), strict=True)
    }
    return Plan(
        region, disability, first_time, language, user[order], start[order], without_turns, broken
    )


def _visits(rng: np.random.Generator, sessions: int) -> np.ndarray:
    """Return each session's user, grouped by user; sessions per user are Zipf-like up to 30."""
    numbers = np.arange(1, 31)
    weights = numbers**-1.8
    # As many users as sessions are more than enough: each has at least one.
    visits = rng.choice(numbers, sessions, p=weights / weights.sum())
    users = int(np.searchsorted(np.cumsum(visits), sessions)) + 1
    return np.repeat(np.arange(users, dtype=np.int32), visits[:users])[:sessions]


def _start_seconds(rng: np.random.Generator, user: np.ndarray) -> np.ndarray:
    """Return each session's start in seconds; one in six returns is a callback within hours.

    Visits are laid out evenly in operational time, which is then stretched over the calendar by
    the expected traffic of each hour: growth over the weeks, quiet weekends, a daily rhythm.
    """
    n = len(user)
    first = np.r_[True, user[1:] != user[:-1]]
    days = np.where(rng.random(n) < 1 / 6, rng.exponential(0.2, n), rng.exponential(20, n))
    step = days / (7 * WEEKS)
    step[first] = rng.random(np.count_nonzero(first))
    elapsed = np.cumsum(step)
    position = (elapsed - (elapsed - step)[first][user]) % 1

    by_hour = np.array(
        [4, 2, 2, 2, 3, 8, 18, 35, 60, 85, 95, 90, 75, 70, 78, 80, 76, 70, 62, 52, 40, 28, 16, 8]
    )
    by_day = np.array([1.12, 1.06, 1.04, 1.02, 1.00, 0.62, 0.45])
    by_week = np.linspace(0.75, 1.25, WEEKS)
    traffic = (by_week[:, None, None] * by_day[:, None] * by_hour).ravel()
    share = np.r_[0, np.cumsum(traffic)] / traffic.sum()
    return np.interp(position, share, 3600 * np.arange(len(share))).astype(np.int64)

"""The user turn at which sessions are abandoned: the discrete-time hazard."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import special, stats

from voice_ai_analytics.abandonment.gates import LEVEL
from voice_ai_analytics.abandonment.sample import effective_clusters, eligible
from voice_ai_analytics.abandonment.words import TREND, hazard_verdict
from voice_ai_analytics.statistics.intervals import clustered, user_clusters

MIN_CLUSTERS = 30
MIN_EXPECTED_EVENTS = 20
MOST_BANDS = 10
# Effective users; with fewer, a test of many bands finds too much.
MIN_USERS_PER_BAND = 10
FEWEST_TELLING = 10  # users with, and users without, an abandonment in a band
# Effective users with an abandoned session; with fewer, the tests find too much.
MIN_ABANDONING = 10
BAND_COLUMNS = ("first_turn", "last_turn", "n_sessions", "n_users", "n_turns", "n_events")
BAND_COLUMNS += ("hazard", "ci_low", "ci_high")


def fit_hazard(frame: pd.DataFrame, min_cohort_size: int = 0) -> dict:
    """Return the hazard of abandonment by user turn, and tests of whether it is constant.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per session, from `feature_query`, with `user_key`, `outcome`, `is_eligible` and
        `user_turn_count`.
    min_cohort_size : int
        A band of turns needs this many users who reached it, and at least 30.

    Returns
    -------
    dict
        `bands`, one dict per band of user turns: `first_turn` and `last_turn` (null: and later),
        `n_sessions` and `n_users` that reached it, `n_turns` at risk, `n_events` (sessions
        abandoned after one of its turns), `hazard` = events over turns at risk, in [0, 1], with
        `ci_low` and `ci_high`, null where fewer than 10 users had, or had not, an event.
        `even_p_value` and `even_degrees`: the Wald test that the log-odds of all bands are equal.
        `log_odds_per_doubling` of the turn number, with interval and p value: the trend.
        `peak_p_value`: the largest p of the highest hazard against any other. `finding`:
        early (the hazard falls and is highest in the first band), late (the reverse), uneven,
        none, or null where nothing is claimed; `verdict`, a sentence, which names a worst turn
        only where it differs from all others. Counts; `censored` by outcome; `excluded` by reason.

    Notes
    -----
    A session with T user turns is at risk at turns 1 to T. Abandonment after turn T is the event;
    any other outcome censors there, so the hazard is cause-specific (Singer and Willett 1993;
    Allison 1982). Variances are from leaving out one user at a time, on the scale of log-odds. The
    Wald test uses F with the effective number of users (Kish) and Hotelling's scaling.
    Bands have at least 20 expected events under a constant hazard, whichever turns had them.
    """
    if "user_turn_count" not in frame:
        return _nothing("the frame has no user_turn_count", {})
    sessions, excluded = _at_risk(frame)
    turns = sessions["user_turn_count"].astype("int64").to_numpy()
    abandoned = (sessions["outcome"] == "abandoned").to_numpy()
    clusters = user_clusters(sessions["user_key"])
    counts = {
        "n_sessions": len(sessions),
        "n_events": int(abandoned.sum()),
        "n_users": int(sessions["user_key"].nunique()),
        "n_clusters": int(clusters.max(initial=-1) + 1),
        "censored": sessions["outcome"][~abandoned].value_counts().sort_index().to_dict(),
        "excluded": excluded,
    }
    if len(sessions) == 0:
        return _nothing("no eligible session with a known end has a user turn", counts)
    if not abandoned.any():
        return _nothing(f"none of {len(sessions):,} sessions was abandoned", counts)
    if counts["n_clusters"] < MIN_CLUSTERS:
        few = f"{counts['n_clusters']} users are fewer than the {MIN_CLUSTERS} that are needed"
        return _nothing(few, counts)
    least = max(MIN_CLUSTERS, min_cohort_size)
    if counts["n_clusters"] < least:
        return _nothing(f"fewer than {least} users, the smallest cohort that is shown", counts)
    effective = effective_clusters(clusters)
    most = min(MOST_BANDS, max(int(effective / MIN_USERS_PER_BAND), 1))
    if effective_clusters(clusters[abandoned]) < MIN_ABANDONING:
        most = 1
    firsts = _firsts(turns, abandoned, clusters, least, most)
    risk, events = _by_user(turns, abandoned, clusters, firsts)
    bands = [
        {
            "first_turn": int(first),
            "last_turn": int(following - 1) if following else None,
            "n_sessions": int((turns >= first).sum()),
            "n_users": len(np.unique(clusters[turns >= first])),
            "n_turns": int(risk[:, i].sum()),
            "n_events": int(events[:, i].sum()),
            **_hazard(risk[:, i], events[:, i]),
        }
        for i, (first, following) in enumerate(zip(firsts, [*firsts[1:], None], strict=True))
    ]
    tests = _tests(risk, events, _mean_turns(turns, firsts), effective)
    result = {"bands": bands, **tests, **counts}
    result["finding"] = _finding(result)
    return result | {"verdict": hazard_verdict(result)}


def _at_risk(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    outcome = frame["outcome"].astype("object").where(frame["outcome"].notna(), "unknown")
    reasons = {
        "not eligible": ~eligible(frame),
        "outcome unknown": outcome == "unknown",
        "no user turns": ~(pd.to_numeric(frame["user_turn_count"]) >= 1),
    }
    kept, excluded = pd.Series(True, index=frame.index), {}
    for reason, rows in reasons.items():
        if count := int((kept & rows).sum()):
            excluded[reason] = count
        kept &= ~rows
    columns = ["user_key", "outcome", "user_turn_count"]
    return frame.loc[kept, columns].reset_index(drop=True), excluded


def _firsts(
    turns: np.ndarray,
    abandoned: np.ndarray,
    clusters: np.ndarray,
    least_users: int,
    most: int,
) -> list[int]:
    """Return the first turn of each band, with enough expected events and enough users."""
    at_risk = _reaching(turns)
    furthest = np.zeros(clusters.max() + 1, dtype=int)
    np.maximum.at(furthest, clusters, turns)
    users = _reaching(furthest)
    happened = np.bincount(turns[abandoned], minlength=len(at_risk) + 1)[1:]
    rest, rest_events = (counts[::-1].cumsum()[::-1] for counts in (at_risk, happened))
    # One session with a thousand turns must not make abandonment look rare.
    common = users >= least_users
    share = happened[common].sum() / at_risk[common].sum()
    can_begin = (
        common & (rest * share >= MIN_EXPECTED_EVENTS) & (rest_events > 0) & (rest_events < rest)
    )
    firsts, expected, seen = [1], 0.0, 0
    for turn in range(1, len(at_risk) + 1):
        is_full = expected >= MIN_EXPECTED_EVENTS and seen > 0
        if is_full and can_begin[turn - 1] and len(firsts) < most:
            firsts.append(turn)
            expected, seen = 0.0, 0
        expected += at_risk[turn - 1] * share
        seen += happened[turn - 1]
    return firsts


def _reaching(turns: np.ndarray) -> np.ndarray:
    """Return how many reached turn 1, 2 and so on."""
    return np.bincount(turns)[::-1].cumsum()[::-1][1:]


def _by_user(
    turns: np.ndarray, abandoned: np.ndarray, clusters: np.ndarray, firsts: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return turns at risk and events by user and band, shape (users, bands)."""
    edges = np.array([*firsts, turns.max() + 1])
    band = np.searchsorted(edges, turns, side="right") - 1
    risk = [
        np.bincount(clusters, np.clip(turns + 1 - first, 0, following - first))
        for first, following in pairwise(edges)
    ]
    events = [np.bincount(clusters, abandoned & (band == i)) for i in range(len(firsts))]
    return np.column_stack(risk), np.column_stack(events)


def _mean_turns(turns: np.ndarray, firsts: list[int]) -> np.ndarray:
    """Return the mean binary logarithm of the turn number at risk, by band."""
    at_risk = _reaching(turns)
    logarithms = np.log2(np.arange(1, len(at_risk) + 1)) * at_risk
    places = np.array(firsts) - 1
    return np.add.reduceat(logarithms, places) / np.add.reduceat(at_risk, places)


def _influence(risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return by how much each user moves the log-odds of each band, from leaving the user out.

    The derivative would understate this where a band has few users.
    """
    events_left = events.sum(axis=0) - events
    others_left = (risk - events).sum(axis=0) - (risk - events)
    without = np.log(np.maximum(events_left, 0.5) / np.maximum(others_left, 0.5))
    return special.logit(events.sum(axis=0) / risk.sum(axis=0)) - without


def _hazard(risk: np.ndarray, events: np.ndarray) -> dict[str, float | None]:
    hazard = events.sum() / risk.sum()
    if min((events > 0).sum(), (risk > events).sum()) < FEWEST_TELLING:
        return {"hazard": float(hazard), "ci_low": None, "ci_high": None}
    interval = clustered(special.logit(hazard), _influence(risk, events), np.arange(len(risk)))
    ends = special.expit([interval["ci_low"], interval["ci_high"]])
    return {"hazard": float(hazard), "ci_low": float(ends[0]), "ci_high": float(ends[1])}


UNTESTED = {
    "even_p_value": None,
    "even_degrees": 0,
    TREND: None,
    f"{TREND}_ci_low": None,
    f"{TREND}_ci_high": None,
    "trend_p_value": None,
    "peak_p_value": None,
}


def _tests(
    risk: np.ndarray, events: np.ndarray, turn: np.ndarray, effective: float
) -> dict[str, float | None]:
    """Return a test of a constant hazard, and its trend over the logarithm of the turn."""
    degrees = risk.shape[1] - 1
    if degrees == 0 or effective - degrees < 1:
        return UNTESTED
    log_odds = special.logit(events.sum(axis=0) / risk.sum(axis=0))
    influence = _influence(risk, events)
    groups = len(risk)
    apart = np.eye(degrees + 1)[1:] - np.eye(degrees + 1)[0]
    differences, errors = apart @ log_odds, influence @ apart.T
    covariance = groups / (groups - 1) * errors.T @ errors
    wald = differences @ np.linalg.solve(covariance, differences)
    scaled = wald * (effective - degrees) / (degrees * (effective - 1))
    hazard = special.expit(log_odds)
    weight = risk.sum(axis=0) * hazard * (1 - hazard)
    contrast = weight * (turn - weight @ turn / weight.sum())
    contrast /= contrast @ turn
    trend = clustered(contrast @ log_odds, influence @ contrast, np.arange(groups))
    return {
        "even_p_value": float(stats.f.sf(scaled, degrees, effective - degrees)),
        "even_degrees": degrees,
        TREND: float(contrast @ log_odds),
        f"{TREND}_ci_low": float(trend["ci_low"]),
        f"{TREND}_ci_high": float(trend["ci_high"]),
        "trend_p_value": float(trend["p_value"]),
        "peak_p_value": _peak_p_value(log_odds, influence),
    }


def _peak_p_value(log_odds: np.ndarray, influence: np.ndarray) -> float:
    """Return the largest p value of the highest hazard against any other band."""
    peak = int(np.argmax(log_odds))
    pairs = (
        clustered(log_odds[peak] - other, influence[:, peak] - moved, np.arange(len(influence)))
        for other, moved in zip(
            np.delete(log_odds, peak), np.delete(influence, peak, axis=1).T, strict=True
        )
    )
    return float(max(pair["p_value"] for pair in pairs))


def _nothing(reason: str, counts: dict) -> dict:
    verdict = f"When sessions are abandoned couldn't be estimated: {reason}."
    return {"bands": [], **UNTESTED, "n_sessions": 0, "n_events": 0, "n_users": 0} | {
        "n_clusters": 0,
        "censored": {},
        "excluded": {},
        **counts,
        "finding": None,
        "verdict": verdict,
    }


def _finding(result: dict) -> str | None:
    """Return early or late only where both tests allow it and no other band is worse."""
    first, last = result["bands"][0], result["bands"][-1]
    if result["even_p_value"] is None:
        return None
    if result["even_p_value"] >= LEVEL:
        return "none"
    peak = max(result["bands"], key=lambda band: band["hazard"])
    if result["trend_p_value"] < LEVEL and peak is (first if result[TREND] < 0 else last):
        return "early" if peak is first else "late"
    return "uneven"

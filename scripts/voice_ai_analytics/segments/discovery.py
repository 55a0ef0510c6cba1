"""Segments of sessions: found by a tree on half of the users, tested on the other half."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier

from voice_ai_analytics.metrics.suppression import is_small
from voice_ai_analytics.rates import COMPLETION
from voice_ai_analytics.segments.gaps import (
    LEVEL,
    MIN_EITHER,
    MIN_USERS,
    compare,
    with_q_values,
)
from voice_ai_analytics.statistics.intervals import user_clusters
from voice_ai_analytics.wording import clean

OPENING = 3
CATEGORIES = ("channel", "language", "platform")
NUMBERS = {
    "opening_errors": f"errors in the first {OPENING} user turns",
    "opening_interruptions": f"interruptions in the first {OPENING} user turns",
    "opening_asr_confidence": f"mean ASR confidence of the first {OPENING} user turns",
    "opening_intent_confidence": f"mean intent confidence of the first {OPENING} user turns",
    "started_hour": "hour of the start (UTC)",
}
WHOLE = ("opening_errors", "opening_interruptions", "started_hour")
MAX_DEPTH, MAX_SEGMENTS, FOLDS = 3, 6, 5
MIN_SESSIONS, MIN_SHARE = 50, 0.05
NOTHING = {"segments": [], "candidates": 0, "tested": 0, "declined": ""}


@dataclass(frozen=True)
class Condition:
    """A segment's condition on one feature: a level or its negation, or a range of numbers."""

    feature: str
    level: str | None = None
    is_level: bool = True
    low: float = -np.inf
    high: float = np.inf
    or_unknown: bool = False

    def holds(self, sessions: pd.DataFrame) -> np.ndarray:
        """Return for each session whether it meets the condition."""
        values = sessions[self.feature]
        if self.level is not None:
            return values.eq(self.level).fillna(False).to_numpy(dtype=bool) == self.is_level
        unknown = values.isna().to_numpy()
        values = values.to_numpy(dtype=float)
        return ((values >= self.low) & (values < self.high)) | (unknown & self.or_unknown)

    def __str__(self) -> str:
        if self.level is not None:
            return f"{self.feature}: {'' if self.is_level else 'not '}{clean(self.level)}"
        asked = [self._bounds()] * (self.low < np.inf) + ["not known"] * self.or_unknown
        return f"{NUMBERS[self.feature]}: {' or '.join(asked)}"

    def _bounds(self) -> str:
        last, most = self.high, "below"
        if self.feature in WHOLE:
            last, most = self.high - 1, "at most"
            if last == 0:
                return "0"
        if np.isfinite([self.low, self.high]).all():
            return f"{self.low:g}" if self.low == last else f"from {self.low:g}, {most} {last:g}"
        if np.isfinite(self.low):
            return f"{self.low:g} or more"
        return f"{most} {last:g}" if np.isfinite(self.high) else "known"


def find_segments(
    sessions: pd.DataFrame, openings: pd.DataFrame, min_cohort_size: int, seed: int = 0
) -> dict:
    """Return segments of sessions that are completed more or less often than the rest.

    Only sessions that reached the end of their opening are used, with what was known at that
    point, before it was decided how they end.

    Parameters
    ----------
    sessions : pandas.DataFrame
        One row per session, from `sessions_query`. Row order doesn't matter.
    openings : pandas.DataFrame
        One row per session with at least `OPENING` user turns, from `openings_query`.
    min_cohort_size : int
        Segments with fewer users aren't shown.
    seed : int
        Random seed for splitting users in two.

    Returns
    -------
    dict
        `segments`, each with its `rule` in words and, from users that the search didn't see,
        `gap` (its completion rate minus that of all other sessions), interval, p, q, and on both
        sides rate, `n` sessions and users; `candidates` (rules that the search found), `tested`
        (how many of them have enough users; of two complementary rules, one), sessions and users
        of both halves, and `declined` (why nothing was searched, or empty).

    Notes
    -----
    Sample splitting: Cox (1975), A note on data-dependent choice of tests. The search is a
    classification tree (Breiman and others 1984) of few leaves.
    """
    sample = reached(sessions, openings)
    clusters, is_search = user_clusters(sample["user_key"]), halved(sample, seed)
    halves = sample[is_search], sample[~is_search]
    found = NOTHING | {
        f"{half}_{name}": count
        for half, rows in (("search", is_search), ("held_out", ~is_search))
        for name, count in (("sessions", int(rows.sum())), ("users", len(set(clusters[rows]))))
    }
    if reason := _declined(sample, clusters, is_search):
        return found | {"declined": reason}
    pairs = [[hold(half, rule) for half in halves] for rule in search(halves[0], seed)]
    tested, shown = confirm(pairs, min_cohort_size)
    segments = [
        {"segment": number} | {name: row[name] for name in row if name not in ("seen", "declined")}
        for number, row in enumerate(shown, start=1)
    ]
    return found | {"segments": segments, "candidates": len(pairs), "tested": len(tested)}


def _declined(sample: pd.DataFrame, clusters: np.ndarray, is_search: np.ndarray) -> str:
    users = len(set(clusters))
    if not users:
        return f"no eligible session has {OPENING} user turns"
    if users < 2 * MIN_USERS:
        return f"{users:,} users are too few; {MIN_USERS} are needed to search and as many to test"
    completed = sample[COMPLETION.numerator].to_numpy(dtype=bool)
    if completed.all() or not completed.any():
        which = "completed" if completed.all() else "not completed"
        return f"all {len(sample):,} sessions with at least {OPENING} user turns were {which}"
    outcomes = [
        half & outcome for half in (is_search, ~is_search) for outcome in (completed, ~completed)
    ]
    if min(len(set(clusters[rows])) for rows in outcomes) < MIN_EITHER:
        return f"in one half, fewer than {MIN_EITHER} users completed a session, or didn't"
    return ""


def reached(sessions: pd.DataFrame, openings: pd.DataFrame) -> pd.DataFrame:
    """Return the eligible sessions that reached the end of their opening, in a fixed order."""
    eligible = sessions[sessions[COMPLETION.denominator] > 0]
    sample = eligible.merge(openings, on="session_key")
    return sample.sort_values("session_key", ignore_index=True)


def halved(sample: pd.DataFrame, seed: int) -> np.ndarray:
    """Return for each session whether its user is in the half to search."""
    clusters = user_clusters(sample["user_key"])
    users = int(clusters.max(initial=-1)) + 1
    return (np.random.default_rng(seed).permutation(users) < users / 2)[clusters]


def hold(sample: pd.DataFrame, rule: list[Condition]) -> dict:
    """Return the comparison of the sessions that a rule describes with all others."""
    inside = np.logical_and.reduce([condition.holds(sample) for condition in rule])
    part, whole = (
        sample[column].to_numpy(dtype=float)
        for column in (COMPLETION.numerator, COMPLETION.denominator)
    )
    said = {"rule": ", and ".join(map(str, rule)), "measure": COMPLETION.metric}
    return said | compare(part, whole, inside, user_clusters(sample["user_key"]))


def confirm(pairs: list[list[dict]], min_cohort_size: int) -> tuple[list[dict], list[dict]]:
    """Return the rules that were tested, and those that hold, from `hold` in both halves.

    The estimates are from the second half; `seen` is the gap in the first.
    """
    if len(pairs) == 2:
        # Of two rules, each is the complement of the other.
        pairs = [min(pairs, key=lambda pair: pair[0]["n"])]
    tested = with_q_values(
        [
            kept | {"seen": seen["gap"]}
            for seen, kept in pairs
            if seen["gap"] is not None
            and kept["p_value"] is not None
            and not is_small(min(kept["users"], kept["reference_users"]), min_cohort_size)
        ]
    )
    shown = [row for row in tested if row["q_value"] < LEVEL and row["gap"] * row["seen"] > 0]
    return tested, sorted(shown, key=lambda row: row["gap"])


def search(sample: pd.DataFrame, seed: int) -> list[list[Condition]]:
    """Return the rule of each leaf of a small tree on what was known at the end of the opening."""
    least = max(MIN_SESSIONS, int(MIN_SHARE * len(sample)))
    columns = {(name, None): sample[name].to_numpy(dtype=float) for name in NUMBERS}
    for name in CATEGORIES:
        sizes = sample[name].value_counts()
        for level in sorted(sizes.index[sizes >= least]):
            columns[name, level] = sample[name].eq(level).fillna(False).to_numpy(dtype=float)
    tree = DecisionTreeClassifier(max_depth=MAX_DEPTH, min_samples_leaf=least, random_state=seed)
    # As many segments as predict best for users outside the fold.
    leaves = {"max_leaf_nodes": list(range(2, MAX_SEGMENTS + 1))}
    folds = GridSearchCV(tree, leaves, scoring="neg_brier_score", cv=StratifiedGroupKFold(FOLDS))
    x, y = np.column_stack(list(columns.values())), sample[COMPLETION.numerator].astype(bool)
    folds.fit(x, y, groups=user_clusters(sample["user_key"]))
    unknown = {name for name in NUMBERS if sample[name].isna().any()}
    paths = _paths(folds.best_estimator_.tree_, list(columns))
    return [_rule(path, unknown) for path in paths if path]


def _paths(tree, columns: list[tuple], node: int = 0, path: tuple = ()) -> list[tuple]:
    """Return the path to each leaf: column, cut, side, and where unknown values go."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left == right:
        return [path]
    step, unknown_left = columns[tree.feature[node]], bool(tree.missing_go_to_left[node])
    cut = tree.threshold[node]
    return [
        *_paths(tree, columns, left, (*path, (step, cut, True, unknown_left))),
        *_paths(tree, columns, right, (*path, (step, cut, False, not unknown_left))),
    ]


def _rule(path: tuple, unknown: set[str]) -> list[Condition]:
    """Return the steps to a leaf as few conditions, with rounded cuts."""
    rule: dict[tuple, Condition] = {}
    for (feature, level), cut, is_left, with_unknown in path:
        if level is not None:
            rule[feature, level] = Condition(feature, level, is_level=not is_left)
            continue
        # The rule that is shown is the rule that is tested: the cut is rounded before counting.
        cut = float(np.ceil(cut) if feature in WHOLE else np.round(cut, 2))
        old = rule.get((feature, None), Condition(feature, or_unknown=feature in unknown))
        ends = {"high": min(old.high, cut)} if is_left else {"low": max(old.low, cut)}
        with_unknown &= old.or_unknown
        rule[feature, None] = replace(old, **ends, or_unknown=with_unknown)
    named = {one.feature for one in rule.values() if one.level is not None and one.is_level}
    return [
        one
        for one in rule.values()
        if one.level is None or one.is_level or one.feature not in named
    ]

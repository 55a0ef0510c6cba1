"""Gaps between cohorts: a certified rate in one minus that in another, clustered by user."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from voice_ai_analytics.metrics.suppression import (
    ELIGIBLE,
    SESSIONS,
    USERS,
    suppress,
    suppressed_comparison,
)
from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, ERROR_TURN, Rate
from voice_ai_analytics.statistics.intervals import (
    clustered,
    effective_number,
    user_clusters,
)
from voice_ai_analytics.wording import NOT_KNOWN

DIMENSIONS = ("region", "has_disability", "is_first_time_digital_user", "channel", "language")
MEASURES = (COMPLETION, ABANDONMENT, ERROR_TURN)
# What the gap metrics compare with; the levels of other dimensions are compared with all others.
REFERENCES = {"region": "urban", "has_disability": "false", "is_first_time_digital_user": "false"}
OTHERS = "others"
LEVEL = 0.05
MIN_USERS = 30
MIN_EITHER = 10
MIN_USERS_PER_CONTROL = 10
MOST_LEVELS = 100
ESTIMATES = ("gap", "ci_low", "ci_high", "p_value", "q_value")
ADJUSTED = ("adjusted_gap", "adjusted_ci_low", "adjusted_ci_high")
COUNTS = ("rate", "n", "users", "reference_rate", "reference_n", "reference_users")
NUMBERS = (*ESTIMATES, *ADJUSTED, *COUNTS)


def compare_cohorts(sessions: pd.DataFrame, min_cohort_size: int) -> tuple[list[dict], list[str]]:
    """Return the gaps in completion, abandonment and error turns between cohorts.

    Parameters
    ----------
    sessions : pandas.DataFrame
        One row per session, from `sessions_query`. Row order doesn't matter.
    min_cohort_size : int
        Cohorts with fewer users are suppressed, with whatever would reveal them.

    Returns
    -------
    gaps : list of dict
        One per comparison and measure: `dimension`, `level`, `reference` (a level, or "others" for
        all other known ones), `measure` (the metric), `gap` (in [-1, 1], the rate of the level
        minus that of the reference) with its 95% interval, p and q, `adjusted_gap` with its own,
        and on both sides the rate, `n` (eligible sessions, or turns) and users. What isn't claimed
        is None; `suppressed` or `declined` then says why, and is empty otherwise. Sessions whose
        level isn't known are a row with `level` None, compared with nothing.
    notes : list of str
        What couldn't be compared, and why.

    Notes
    -----
    Rates are sum over sum, as the metrics are. Intervals and p values: `clustered`. q values:
    Benjamini and Hochberg (1995), over all comparisons and measures. The adjusted gap is the
    coefficient of weighted least squares on the level and the levels of the other dimensions.
    """
    clusters, controls = user_clusters(sessions["user_key"]), _controls(sessions)
    rows, notes = [], []
    for dimension in DIMENSIONS:
        cohorts = _cohorts(sessions, dimension, min_cohort_size)
        levels = cohorts["cohort"].dropna().tolist()
        if len(levels) > MOST_LEVELS:
            notes.append(f"{dimension} has {len(levels):,} values, too many to compare.")
            continue
        if len(levels) < 2:
            known = f"The only known {dimension} is {levels[0]}" if levels else None
            known = known or f"No session has a known {dimension}"
            notes.append(f"{known}, so there is no gap by it.")
        others = controls.loc[:, controls.columns.get_level_values(0) != dimension].to_numpy()
        for level, reference in _pairs(dimension, levels):
            reason = suppressed_comparison(
                cohorts, level, None if reference == OTHERS else reference
            )
            is_group = sessions[dimension].eq(level).fillna(False).to_numpy(dtype=bool)
            is_reference = sessions[dimension].notna().to_numpy() & ~is_group
            if reference != OTHERS:
                is_reference = sessions[dimension].eq(reference).fillna(False).to_numpy(dtype=bool)
            for rate in MEASURES:
                row = {"dimension": dimension, "level": level, "reference": reference}
                row |= {"measure": rate.metric} | dict.fromkeys(NUMBERS)
                row |= {"suppressed": reason, "declined": ""}
                if not reason:
                    row |= _gap(sessions, rate, is_group, is_reference, clusters, others)
                rows.append(row)
        rows += _unknown(sessions, dimension, cohorts, clusters)
    notes += [
        f"{rate.label}: {'all' if some else 'none'} of the {rate.of}, so there is no gap."
        for rate in MEASURES
        if (some := sessions[rate.numerator].sum()) in (0, sessions[rate.denominator].sum())
    ]
    return with_q_values(rows), notes


def compare(
    part: np.ndarray, whole: np.ndarray, is_group: np.ndarray, clusters: np.ndarray
) -> dict:
    """Return the rate in a group, the rate in all other rows, and their difference.

    Parameters
    ----------
    part, whole : numpy.ndarray of float, shape (rows,)
        Numerator and denominator of the rate; a row without a denominator doesn't count.
    is_group : numpy.ndarray of bool, shape (rows,)
        The rows of the group.
    clusters : numpy.ndarray of int, shape (rows,)
        The user of each row.

    Returns
    -------
    dict
        `gap` with interval and `p_value`, None where `declined` says why; rate, `n` and users of
        both sides.
    """
    row = dict.fromkeys((*ESTIMATES, *COUNTS)) | {"declined": ""}
    reasons = []
    for side, rows in (("", is_group), ("reference_", ~is_group)):
        weight = np.bincount(clusters[rows], whole[rows])
        hits = np.bincount(clusters[rows], part[rows])[weight > 0]
        weight = weight[weight > 0]
        n, users = weight.sum(), len(weight)
        row |= {f"{side}n": int(n), f"{side}users": users}
        if not users:
            reasons.append("nothing to compare on one side")
            continue
        row[f"{side}rate"] = hits.sum() / n
        # A few heavy users leave few effective ones.
        if effective_number(weight) < MIN_USERS:
            reasons.append(f"one side has effectively fewer than {MIN_USERS} users")
        elif min((hits > 0).sum(), (hits < weight).sum()) < MIN_EITHER:
            reasons.append(
                f"too rare or too common: fewer than {MIN_EITHER} informative users on a side"
            )
    if row["rate"] is not None and row["reference_rate"] is not None:
        row["gap"] = row["rate"] - row["reference_rate"]
    if reasons:
        return row | {"declined": reasons[0]}
    estimate = _difference(part, whole, is_group, np.ones((len(part), 1)), clusters)
    return row | (estimate or {"declined": "the users of one side don't differ from each other"})


def _difference(
    part: np.ndarray,
    whole: np.ndarray,
    is_group: np.ndarray,
    controls: np.ndarray,
    clusters: np.ndarray,
) -> dict:
    """Return the coefficient of the group, given controls, weighted by the denominator.

    With a column of ones for controls, the coefficient is the difference of the two rates.
    """
    known = whole > 0
    part, whole, clusters, controls = (of[known] for of in (part, whole, clusters, controls))
    sides = np.column_stack([part / whole, is_group[known]]).astype(float)
    weighted = controls * whole[:, None]
    # Both are residualized on the controls; a collinear control does no harm.
    sides -= controls @ (np.linalg.pinv(weighted.T @ controls, hermitian=True) @ weighted.T @ sides)
    rate, group = sides.T
    spread = (whole * group**2).sum()
    if spread < 1e-6 * whole.sum():
        return {}
    gap = (whole * group * rate).sum() / spread
    influence = whole * group * (rate - gap * group) / spread
    # By user, so that the degrees of freedom account for similar sessions of one user.
    of_users = np.bincount(clusters, influence)
    result = clustered(gap, of_users, np.arange(len(of_users)))
    if not result["std_error"] > 1e-9:
        return {}
    return {"gap": gap} | {name: float(result[name]) for name in ("ci_low", "ci_high", "p_value")}


def with_q_values(rows: list[dict]) -> list[dict]:
    """Return the rows with Benjamini and Hochberg's q value for those with a p value."""
    tested = [row for row in rows if row["p_value"] is not None]
    if tested:
        q_values = multipletests([row["p_value"] for row in tested], method="fdr_bh")[1]
        for row, q_value in zip(tested, q_values, strict=True):
            row["q_value"] = float(q_value)
    return rows


def _cohorts(sessions: pd.DataFrame, dimension: str, min_cohort_size: int) -> pd.DataFrame:
    """Return sessions and users by level, the most common first; null is a cohort too."""
    counts = {SESSIONS: ("session_key", "size"), USERS: ("user_key", "nunique")}
    counts |= {ELIGIBLE: (COMPLETION.denominator, "sum")}
    levels = sessions[dimension].astype(object).rename("cohort")
    cohorts = sessions.groupby(levels, dropna=False).agg(**counts).reset_index()
    cohorts["cohort"] = cohorts["cohort"].astype(object)
    order = {"by": [SESSIONS, "cohort"], "ascending": [False, True], "ignore_index": True}
    cohorts = cohorts.sort_values(**order)
    return suppress(cohorts, min_cohort_size)


def _pairs(dimension: str, levels: list[str]) -> list[tuple[str, str]]:
    """Return which level is compared with what; levels come most common first."""
    if len(levels) < 2:
        return []
    reference = REFERENCES.get(dimension)
    if reference in levels:
        return [(level, reference) for level in levels if level != reference]
    if len(levels) == 2:
        # The other direction would be the same comparison.
        return [("voice" if "voice" in levels else levels[1], OTHERS)]
    return [(level, OTHERS) for level in levels]


def _gap(
    sessions: pd.DataFrame,
    rate: Rate,
    is_group: np.ndarray,
    is_reference: np.ndarray,
    clusters: np.ndarray,
    controls: np.ndarray,
) -> dict:
    rows = is_group | is_reference
    part, whole = (
        sessions[column].to_numpy(dtype=float)[rows]
        for column in (rate.numerator, rate.denominator)
    )
    is_group, clusters, controls = is_group[rows], clusters[rows], controls[rows]
    row = compare(part, whole, is_group, clusters)
    fewest = min(row["users"], row["reference_users"])
    if not row["declined"] and fewest >= MIN_USERS_PER_CONTROL * controls.shape[1]:
        adjusted = _difference(part, whole, is_group, controls, clusters)
        row |= {f"adjusted_{name}": adjusted.get(name) for name in ("gap", "ci_low", "ci_high")}
    return row


def _controls(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return a column of ones and dummies for each dimension, with rare levels pooled."""
    columns = {("", ""): np.ones(len(sessions))}
    # A session without a known user counts as its own user.
    clusters = pd.Series(user_clusters(sessions["user_key"]), index=sessions.index)
    for dimension in DIMENSIONS:
        levels = sessions[dimension].astype(object).where(sessions[dimension].notna(), NOT_KNOWN)
        users = clusters.groupby(levels).nunique()
        levels = levels.where(levels.map(users) >= MIN_USERS, "rare")
        for level in sorted(levels.unique())[1:]:
            columns[dimension, level] = (levels == level).to_numpy(dtype=float)
    return pd.DataFrame(columns)


def _unknown(
    sessions: pd.DataFrame, dimension: str, cohorts: pd.DataFrame, clusters: np.ndarray
) -> list[dict]:
    """Return the rates of sessions whose level isn't known, which never counts as "no"."""
    rows, unknown = [], sessions[dimension].isna().to_numpy()
    for rate in MEASURES if unknown.any() else ():
        row = {"dimension": dimension, "level": None, "reference": None, "measure": rate.metric}
        row |= dict.fromkeys(NUMBERS) | {"declined": "not known is compared with nothing"}
        row["suppressed"] = cohorts["suppressed"][cohorts["cohort"].isna()].item()
        if not row["suppressed"]:
            part, whole = (
                sessions[column].to_numpy(dtype=float)
                for column in (rate.numerator, rate.denominator)
            )
            counted = unknown & (whole > 0)
            row |= {"n": int(whole[counted].sum()), "users": len(np.unique(clusters[counted]))}
            row["rate"] = part[counted].sum() / row["n"] if row["n"] else None
        rows.append(row)
    return rows

"""The rule for small cohorts: nothing is shown of them, nor of what would reveal them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

SESSIONS, ELIGIBLE, USERS = "voice_ai_sessions", "voice_ai_eligible_sessions", "voice_ai_users"
SMALL = "suppressed: fewer than {} users"
PROTECTING = "suppressed: protects a smaller cohort"


def is_small(users: float, sessions: float, min_cohort_size: int) -> bool:
    """Return whether a cohort is too small to be shown.

    Parameters
    ----------
    users : float
        Its known users.
    sessions : float
        Its sessions, which count where it names no user.
    min_cohort_size : int
        Fewest users of a cohort that is shown.

    Returns
    -------
    bool
    """
    return (users if users > 0 else sessions) < min_cohort_size


def suppress(
    cohorts: pd.DataFrame, min_cohort_size: int, results: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the cohorts of one dimension with the reason why some must not be shown.

    A cohort is small by `is_small`, and also if it has fewer eligible sessions, for then it has
    fewer eligible users. As the total is shown elsewhere, the smallest other cohort goes too:
    what subtraction then leaves has enough users.

    Parameters
    ----------
    cohorts : pandas.DataFrame
        One row per cohort: `cohort`, `voice_ai_sessions`, `voice_ai_users`, other metrics.
    min_cohort_size : int
        Fewest users of a cohort that is shown.
    results : sequence of str
        Values that the headline shows for everyone, and that aren't groups of people.

    Returns
    -------
    pandas.DataFrame
        The same with the reason in `suppressed`, empty for those to show.
    """
    size = cohorts[USERS].where(cohorts[USERS] > 0, cohorts[SESSIONS])
    small = size < min_cohort_size
    if ELIGIBLE in cohorts:
        small |= cohorts[ELIGIBLE].between(1, min_cohort_size - 1)
    is_group = ~cohorts["cohort"].isin(results)
    small &= is_group
    reason = small.map({True: SMALL.format(min_cohort_size), False: ""}).astype(object)
    others = size[is_group & ~small]
    if small.any() and len(others):
        reason[others.idxmin()] = PROTECTING
    return cohorts.assign(suppressed=reason)


def suppressed_comparison(cohorts: pd.DataFrame, group: str | None, reference: str | None) -> str:
    """Return why one cohort must not be compared with others.

    Parameters
    ----------
    cohorts : pandas.DataFrame
        From `suppress`.
    group : str
        The cohort that is compared.
    reference : str or None
        The cohort that it is compared with; None for all other known ones.

    Returns
    -------
    str
        Empty where the comparison may be shown.
    """
    hidden, is_group = cohorts["suppressed"] != "", cohorts["cohort"] == group
    is_reference = cohorts["cohort"] == reference
    if reference is None:
        is_reference = cohorts["cohort"].notna() & ~is_group
    reasons = set()
    for members in (is_group, is_reference):
        inside = hidden & members
        # A side with every hidden cohort is the total less what is shown, which reveals nothing.
        if inside.any() and (reference is not None or (hidden & ~members).any()):
            reasons |= set(cohorts["suppressed"][inside])
    # That a cohort is small says more than that it protects another; it sorts first.
    return min(reasons, default="")

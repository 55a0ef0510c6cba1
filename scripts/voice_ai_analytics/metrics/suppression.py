"""The cohort size rule: numbers of small cohorts aren't shown, and can't be found by subtraction.

Every place that shows numbers to many people uses this file: exported tables, the report and the
result tables of analyses. The size itself is the metric ``voice_ai_cohort_size``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COHORT_SIZE = "voice_ai_cohort_size"
SESSIONS, ELIGIBLE, USERS = "voice_ai_sessions", "voice_ai_eligible_sessions", "voice_ai_users"
SMALL = "suppressed: fewer than {} users"
PROTECTING = "suppressed: protects a smaller cohort"


def cohort_size(users: float | None, sessions: float) -> float:
    """Return the size of a cohort: its known users, or its sessions where no user is known."""
    return users if users is not None and users > 0 else sessions


def is_small(size: float, minimum: int, eligible: float | None = None) -> bool:
    """Return whether a cohort is too small to be shown.

    Parameters
    ----------
    size : float
        From `cohort_size`; unknown counts as small.
    minimum : int
        The var ``voice_ai_min_cohort_size``.
    eligible : float, optional
        Eligible sessions. If there are some but fewer than `minimum`, so are their users, and a
        rate over them would describe those few.
    """
    if size is None or math.isnan(size) or size < minimum:
        return True
    return eligible is not None and 0 < eligible < minimum


def is_small_sql(size: str, minimum: int) -> str:
    """Return the rule of `is_small` as SQL over a column that holds the cohort's size."""
    return f"coalesce({size}, 0) < {minimum}"


def suppress(
    cohorts: pd.DataFrame, min_cohort_size: int, results: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the cohorts of one dimension with the reason why each must not be shown.

    The total is shown elsewhere, so a single suppressed cohort could be computed from the others.
    The smallest of the others is therefore suppressed too.

    Parameters
    ----------
    cohorts : pandas.DataFrame
        One row per cohort: `cohort`, `voice_ai_sessions`, `voice_ai_users`, and other metrics.
    min_cohort_size : int
        The fewest users of a cohort that is shown.
    results : sequence of str
        Values of `cohort` that describe a result of everyone, not a group of people.

    Returns
    -------
    pandas.DataFrame
        The same rows with the reason in `suppressed`, which is empty for cohorts to show.
    """
    sizes = [
        cohort_size(*row) for row in cohorts[[USERS, SESSIONS]].itertuples(index=False, name=None)
    ]
    eligible = cohorts[ELIGIBLE] if ELIGIBLE in cohorts else [None] * len(sizes)
    reasons, shown = [], []
    for number, (cohort, size, some) in enumerate(
        zip(cohorts["cohort"], sizes, eligible, strict=True)
    ):
        is_group = cohort not in results
        hidden = is_group and is_small(size, min_cohort_size, some)
        reasons.append(SMALL.format(min_cohort_size) if hidden else "")
        if is_group and not hidden:
            shown.append(number)
    if any(reasons) and shown:
        reasons[min(shown, key=lambda number: sizes[number])] = PROTECTING
    return cohorts.assign(suppressed=reasons)


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

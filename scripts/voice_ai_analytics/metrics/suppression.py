"""The cohort size rule: numbers of small cohorts aren't shown, and can't be found by subtraction.

Every place that shows numbers to many people uses this file: exported tables, the report and the
result tables of analyses. The size itself is the metric ``voice_ai_cohort_size``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def suppress(
    cohorts: pd.DataFrame, min_cohort_size: int, results: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the cohorts of one dimension with the reason why each must not be shown.

    The total is shown elsewhere, so that a single suppressed cohort could be computed from the
    others. Another is therefore suppressed too.

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
    (suppressed,) = suppress_together([(cohorts, {"": "cohort"})], min_cohort_size, results=results)
    return suppressed


def suppress_together(
    tables: Sequence[tuple[pd.DataFrame, Mapping[str, str]]],
    min_cohort_size: int,
    numbers: Sequence[str] = (SESSIONS,),
    results: Sequence[str] = (),
) -> list[pd.DataFrame]:
    """Return tables of cohorts with the reason why each cohort must not be shown.

    Parameters
    ----------
    tables : sequence of (pandas.DataFrame, dict of str to str)
        As for `suppress`, each with its dimensions and the columns that hold them. Cohorts by two
        dimensions add up to those by one of them, and all to the total, which is shown.
    min_cohort_size : int
        The fewest users of a cohort that is shown.
    numbers : sequence of str
        Columns that add up and must not be computed.
    results : sequence of str
        As for `suppress`.

    Returns
    -------
    list of pandas.DataFrame
        The same tables with the reason in `suppressed`.
    """
    import numpy as np
    import pandas as pd

    from voice_ai_analytics.metrics.disclosure.tables import Cohorts, hidden

    # A table of some of the cohorts only has no part in the total.
    sums = [table[list(numbers)].sum() for table, _ in tables]
    whole = max(sums, key=lambda one: one.sum()).to_frame().T
    everyone = Cohorts(pd.DataFrame(index=[0]), whole, np.array([np.inf]), np.array([True]))
    made, small = [everyone], [np.array([False])]
    for table, names in tables:
        sizes = np.array(
            [cohort_size(*row) for row in table[[USERS, SESSIONS]].itertuples(False, None)],
            dtype=float,
        )
        eligible = table[ELIGIBLE] if ELIGIBLE in table else [None] * len(table)
        keys = table[list(names.values())].set_axis(list(names), axis=1)
        stays = keys.iloc[:, 0].isin(list(results)).to_numpy(dtype=bool)
        is_few = [
            is_small(size, min_cohort_size, some)
            for size, some in zip(sizes, eligible, strict=True)
        ]
        small.append(np.array(is_few, dtype=bool) & ~stays)
        made.append(Cohorts(keys, table[list(numbers)], sizes, stays))
    closed = hidden(made, small, min_cohort_size)
    reasons = [SMALL.format(min_cohort_size), PROTECTING, ""]
    return [
        table.assign(suppressed=np.select([few, also], reasons[:2], ""))
        for (table, _), few, also in zip(tables, small[1:], closed[1:], strict=True)
    ]


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

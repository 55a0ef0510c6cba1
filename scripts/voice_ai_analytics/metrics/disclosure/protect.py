"""Which groups to hide besides the small ones, so that no small one can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from voice_ai_analytics.metrics.disclosure.attack import (
    CHEAP,
    SHRINKS,
    Sums,
    exposed,
    implied,
    push,
)

AT_ONCE = 6  # this part of the unprotected numbers is covered in one step
INSIDE, MOST_FAILURES = 3, 9


@dataclass
class Secret:
    """One number per group, some of which must not be found.

    Parameters
    ----------
    name : str
        The metric.
    sums : Sums
        Its numbers, and how they add up.
    published : numpy.ndarray of bool, shape (groups,)
        The groups for which a table shows it, unless they are hidden.
    users : numpy.ndarray of float, shape (groups,)
        How many users it rests on; groups with none have nothing to hide.
    least : int
        The fewest users of a group that is shown.
    witnesses : list of numpy.ndarray
        The proofs so far; see `exposed`.
    """

    name: str
    sums: Sums
    published: np.ndarray
    users: np.ndarray
    least: int
    witnesses: list[np.ndarray] = field(default_factory=list)

    def exposed(self, shown: np.ndarray, closed: np.ndarray) -> np.ndarray:
        """Return the closed groups whose number can be found from those that are shown."""
        return exposed(self.sums, shown, self._hidden(closed), self.witnesses)

    def unproven(self, closed: np.ndarray) -> np.ndarray:
        """Return the closed groups whose number no witness protects yet."""
        left = self._hidden(closed) & ~implied(self.sums, self.published & ~closed)
        for change in self.witnesses:
            left &= ~self.sums.differs(change)
        return left

    def _hidden(self, closed: np.ndarray) -> np.ndarray:
        return closed & self.published & (self.users > 0) & (self.sums.most > 0)


def protect(
    secrets: Sequence[Secret], must: np.ndarray, weight: np.ndarray, elsewhere: np.ndarray
) -> np.ndarray:
    """Return the groups to hide: the small ones, and others that protect them at little cost.

    Parameters
    ----------
    secrets : sequence of Secret
        Numbers over the same groups that are hidden together. Each gets its witnesses.
    must : numpy.ndarray of bool, shape (groups,)
        The groups that must be hidden anyway.
    weight : numpy.ndarray of float, shape (groups,)
        What hiding a group costs: how many sessions it has. Infinity for groups that stay.
    elsewhere : numpy.ndarray of bool, shape (groups,)
        Groups in which other numbers are hidden; hiding these ones there, too, costs little.

    Returns
    -------
    numpy.ndarray of bool, shape (groups,)

    Notes
    -----
    A linear program finds the cheapest change of all numbers that alters some of the unprotected
    ones and keeps every sum. What the change alters is hidden, and then the change is a witness:
    every hidden number is protected by the way it was found. This heuristic is due to Kelly, Golden
    and Assad (Cell suppression: disclosure protection for sensitive tabular data, Networks 22,
    1992). Hiding more takes nothing from what a reader can't exclude, so witnesses stay valid.
    """
    closed, rng = must.copy(), np.random.default_rng(0)
    price = np.maximum(weight / max(weight[np.isfinite(weight)].max(initial=0.0), 1.0), CHEAP)
    price = np.where(elsewhere, CHEAP, 1.0) * price
    while True:
        before = closed.sum()
        for secret in secrets:
            failures = 0
            closed |= _company(secret, closed, weight)
            while (left := secret.unproven(closed)).any():
                # What is hidden already may do; two numbers that should grow can need one that
                # shrinks, so that other directions are tried before more is hidden.
                is_inside = failures < INSIDE
                signs = rng.choice([-1.0, 1.0], len(left)) if failures else np.ones(len(left))
                more = _cover(secret, left, closed, price, signs, is_inside, rng)
                if more is None:
                    failures += 1
                else:
                    # Where what was hidden didn't do, one more try is enough after each step.
                    failures = 0 if is_inside else INSIDE - 1
                if failures > MOST_FAILURES:
                    # Only fractions would do; another hidden group gives whole steps more room.
                    more, failures = _partners(secret, left, closed, weight), 0
                    if not more.any():
                        break
                if more is not None:
                    closed |= more
        if closed.sum() == before:
            return closed


def _cover(
    secret: Secret,
    left: np.ndarray,
    closed: np.ndarray,
    price: np.ndarray,
    signs: np.ndarray,
    is_inside: bool,
    rng,
) -> np.ndarray | None:
    """Find a witness for some unprotected numbers; return what must be hidden for it, if any."""
    open_ = secret.published & ~closed
    cost = np.where(open_, np.inf if is_inside else price, CHEAP**3)
    some = left
    if not is_inside:
        # Those that are covered later make use of what is hidden by then.
        chosen = rng.permutation(np.flatnonzero(left))[: max(1, left.sum() // AT_ONCE)]
        some = np.isin(np.arange(len(left)), chosen)
    signs = np.where(some, signs, 0.0)
    for shrink in SHRINKS:
        change, is_all = push(secret.sums, signs, cost, shrink)
        if (left & secret.sums.differs(change)).any():
            secret.witnesses.append(change)
            return open_ & (change != 0)
        if is_all:
            return None
    return None


def _company(secret: Secret, closed: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what must be hidden so that hidden parts of a total aren't few users together.

    Their sum is the total less what is shown.
    """
    equations, published, added = secret.sums.equations, secret.published, np.zeros_like(closed)
    totals, parts = ((equations * sign > 0).astype(float) for sign in (-1, 1))
    unpublished = parts @ (~published).astype(float) > 0
    while True:
        hidden = secret._hidden(closed | added)
        shown = published & ~(closed | added)
        users = parts @ (hidden * secret.users)
        is_few = (users > 0) & (users < secret.least) & (totals @ shown.astype(float) > 0)
        more = _cheapest(equations, np.flatnonzero(is_few & ~unpublished), shown, weight)
        if not more.any():
            return added
        added |= more


def _partners(
    secret: Secret, left: np.ndarray, closed: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return the cheapest group that is shown in each sum with unprotected numbers."""
    equations = secret.sums.equations
    rows = np.flatnonzero(abs(equations) @ left.astype(float) > 0)
    return _cheapest(equations, rows, secret.published & ~closed, weight)


def _cheapest(equations, rows: np.ndarray, among: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the cheapest group of each of some sums, unless it has a chosen one already."""
    chosen = np.zeros(len(among), dtype=bool)
    for row in rows:
        cells = equations.indices[equations.indptr[row] : equations.indptr[row + 1]]
        cells = cells[among[cells] & np.isfinite(weight[cells])]
        if len(cells) and not chosen[cells].any():
            chosen[cells[np.argmin(weight[cells])]] = True
    return chosen

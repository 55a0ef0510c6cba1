"""What a reader can find out about hidden numbers from those that are shown.

Groups add up: a total is the sum of its parts. The numbers that a reader sees leave some freedom to
the hidden ones, and a hidden number is safe if another set of numbers, in which it differs by more
than a tenth, agrees with everything that is shown. Such a set is a *witness*. As long as a witness
exists, no reader can exclude it, whatever they compute. A number without one is exposed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

NEAR = 1 / 9  # of a denominator; then a share differs by more than a tenth
MOST_ROUNDS = 12
MOST_SINGLY = 200
VISIBLE = 1e-4  # a difference that rounding doesn't hide
CHEAP, REWARD = 1e-4, 1e3
SHRINKS = (1.0, 2.0, 6.0)
TOLERANCE, NOT_WHOLE = 1e-6, 1e-5


@dataclass(frozen=True)
class Sums:
    """Numbers of groups, and which add up to which.

    Parameters
    ----------
    equations : scipy.sparse.csr_array, shape (equations, groups)
        One row per sum: -1 for the total and 1 for each of its parts.
    values : numpy.ndarray of float, shape (groups,)
        The true numbers, none negative.
    most : numpy.ndarray of float, shape (groups,)
        What a reader knows that a number can't exceed: the denominator of a share, or infinity.
    is_small : numpy.ndarray of bool, shape (groups,)
        The groups of few users. A number of theirs must stay uncertain by more than a tenth; others
        that are hidden only protect those, and must not be found.
    same : int
        How many of the last equations only say that two groups have the same sessions, which a
        reader may not know.
    """

    equations: sparse.csr_array
    values: np.ndarray
    most: np.ndarray
    is_small: np.ndarray
    same: int = 0
    is_whole: bool = field(init=False)
    apart: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        whole = bool((self.values == np.round(self.values)).all())
        object.__setattr__(self, "is_whole", whole)
        share = np.where(self.is_small, NEAR, 0.0 if whole else VISIBLE) * self.values
        typical = max(float(self.values.mean()), TOLERANCE)
        apart = np.floor(share) + 1 if whole else 1.01 * share + VISIBLE * typical
        object.__setattr__(self, "apart", apart)

    def differs(self, change: np.ndarray) -> np.ndarray:
        """Return which numbers a change alters far enough to mislead a reader."""
        return np.abs(change) >= self.apart * (1 - TOLERANCE)

    def is_witness(self, change: np.ndarray, shown: np.ndarray) -> bool:
        """Return whether the changed numbers agree with everything that a reader sees."""
        if self.is_whole and (change != np.round(change)).any():
            return False
        slack = TOLERANCE * np.maximum(self.values, 1)
        numbers = self.values + change
        return bool(
            (change[shown] == 0).all()
            and (numbers >= -slack).all()
            and (numbers <= self.most + slack).all()
            and (np.abs(self.equations @ change) <= TOLERANCE * self._scale(change)).all()
        )

    def _scale(self, change: np.ndarray) -> np.ndarray:
        return 1 + abs(self.equations) @ np.abs(change)


def implied(sums: Sums, shown: np.ndarray) -> np.ndarray:
    """Return the groups whose number a shown total tells of each of its parts by itself.

    If nobody of a shown group did something, or everybody, that is true of each of its parts, and
    of each group that is made up of such parts. None of them was singled out by subtraction, and
    hiding that would mean hiding every zero.
    """
    equations = sums.equations[: sums.equations.shape[0] - sums.same]
    totals, parts = ((equations * sign > 0).astype(float) for sign in (-1, 1))
    found = np.zeros_like(shown)
    for extreme in (sums.values == 0, np.isfinite(sums.most) & (sums.values == sums.most)):
        known = shown & extreme
        while True:
            of_totals = parts.T @ (totals @ known.astype(float)) > 0
            is_rest = parts @ (~known).astype(float) == 0
            of_parts = totals.T @ is_rest.astype(float) > 0
            new = (of_totals | of_parts) & extreme & ~known
            if not new.any():
                break
            known |= new
        found |= known & ~shown
    return found


def exposed(
    sums: Sums, shown: np.ndarray, hidden: np.ndarray, witnesses: list[np.ndarray], seed: int = 0
) -> np.ndarray:
    """Return the hidden groups whose number a reader can compute, or bound within a tenth.

    Parameters
    ----------
    sums : Sums
        The true numbers.
    shown, hidden : numpy.ndarray of bool, shape (groups,)
        The groups whose number is published, and those whose number must not be found. Groups that
        are neither are unpublished totals; nothing protects them, but readers compute with them.
    witnesses : list of numpy.ndarray
        Changes that earlier calls found. They are checked again; new ones are added.
    seed : int
        Random seed for the directions in which witnesses are sought.

    Returns
    -------
    numpy.ndarray of bool, shape (groups,)
        Every hidden group for which no witness was found.
    """
    known = shown | implied(sums, shown)
    left = hidden & ~known
    witnesses[:] = [change for change in witnesses if sums.is_witness(change, known)]
    for change in witnesses:
        left &= ~sums.differs(change)
    if not left.any():
        return left
    cost, rng = np.where(known, np.inf, CHEAP), np.random.default_rng(seed)

    def attack(signs: np.ndarray) -> bool:
        has_found = False
        for shrink in SHRINKS:
            change, is_all = push(sums, np.where(left, signs, 0.0), cost, shrink)
            found = left & sums.differs(change)
            if found.any() and sums.is_witness(change, known):
                witnesses.append(change)
                left[found] = False
                has_found = True
            if is_all or not left.any():
                break
        return has_found

    for number in range(MOST_ROUNDS):
        signs = rng.choice([-1.0, 1.0], len(left))
        has_found = attack(np.full(len(left), 1.0 - 2 * number) if number < 2 else signs)
        if not left.any() or (number >= 3 and not has_found):
            break
    for group in np.flatnonzero(left) if left.sum() <= MOST_SINGLY else ():
        alone = (np.arange(len(left)) == group).astype(float)
        if left[group] and not attack(alone):
            attack(-alone)
    return left


def push(
    sums: Sums, signs: np.ndarray, cost: np.ndarray, shrink: float = 1.0
) -> tuple[np.ndarray, bool]:
    """Return the cheapest change that alters some numbers far enough, where it can.

    Parameters
    ----------
    sums : Sums
        The true numbers; they add up before and after the change.
    signs : numpy.ndarray, shape (groups,)
        1 for numbers that should grow, -1 for numbers that should shrink, 0 for others.
    cost : numpy.ndarray, shape (groups,)
        What changing a number by one costs; infinity for those that must stay.
    shrink : float
        Solve in bounds that are smaller by this factor, and enlarge the change by it: what is a
        half in small bounds is a whole step in the real ones.

    Returns
    -------
    change : numpy.ndarray, shape (groups,)
        Zeros where nothing was found, or only a change by fractions of what can be counted.
    is_all : bool
        Whether nothing was left out because of fractions.
    """
    change = np.zeros(len(signs))
    movable = np.isfinite(cost)
    blocks = _blocks(sums.equations, movable)
    inside = np.flatnonzero(movable & np.isin(blocks, np.unique(blocks[movable & (signs != 0)])))
    if not len(inside):
        return change, True
    change[inside] = _solved(sums, inside, signs[inside], cost[inside], shrink)
    if not sums.is_whole:
        return change, True
    # A change falls into parts that don't depend on each other, each a change by itself.
    parts = _blocks(sums.equations, change != 0)
    rounded = np.round(change)
    broken = np.unique(parts[np.abs(rounded - change) > NOT_WHOLE])
    rounded[np.isin(parts, broken)] = 0.0
    return rounded, not len(broken)


def _blocks(equations: sparse.csr_array, movable: np.ndarray) -> np.ndarray:
    """Return for each movable number which others it can depend on: a label per block."""
    matrix = equations[:, np.flatnonzero(movable)]
    links = sparse.block_array([[None, matrix], [matrix.T, None]])
    _, labels = connected_components(links, directed=False)
    blocks = np.full(len(movable), -1)
    blocks[movable] = labels[matrix.shape[0] :]
    return blocks


def _solved(
    sums: Sums, groups: np.ndarray, signs: np.ndarray, cost: np.ndarray, shrink: float
) -> np.ndarray:
    values, most, need = sums.values[groups], sums.most[groups], sums.apart[groups]
    matrix = sums.equations[:, groups].tocsr()
    matrix = matrix[np.diff(matrix.indptr) > 0]
    up, down = np.maximum(most - values, 0.0), values
    # A number that can't move far enough in one direction is pushed in the other.
    signs = np.where((signs > 0) & (up < need), -1.0, signs)
    signs = np.where((signs < 0) & (down < need), 1.0, signs)
    up = np.where(signs > 0, np.minimum(up, need), up)
    down = np.where(signs < 0, np.minimum(down, need), down)
    gain = REWARD * max(float(cost.max()), CHEAP) * signs
    solved = linprog(
        np.concatenate([cost - gain, cost + gain]),
        A_eq=sparse.hstack([matrix, -matrix]).tocsr() if matrix.shape[0] else None,
        b_eq=np.zeros(matrix.shape[0]) if matrix.shape[0] else None,
        bounds=np.column_stack([np.zeros(2 * len(groups)), np.concatenate([up, down]) / shrink]),
        method="highs",
    )
    if solved.x is None:
        return np.zeros(len(groups))
    grown, shrunk = np.split(solved.x, 2)
    moved = (grown - shrunk) * shrink
    return np.where(np.abs(moved) < TOLERANCE, 0.0, moved)

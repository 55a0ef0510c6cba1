"""A reader who wants to know what is hidden. Uses nothing of the product.

The reader knows which combinations of dimensions exist (the finest groups), and the published sums
over some of them. All numbers are counts, none negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import milp

MOST_NODES = 2_000


@dataclass(frozen=True)
class Knowledge:
    """What a reader knows of the finest groups.

    Parameters
    ----------
    sums : list of (frozenset of int, int)
        Which finest groups are added up, and the published sum.
    most : list of (frozenset of int, int)
        Which sums can't exceed what.
    """

    sums: list[tuple[frozenset[int], int]]
    most: list[tuple[frozenset[int], int]]


def is_computed(knowledge: Knowledge, hidden: frozenset[int]) -> bool:
    """Return whether a hidden sum follows by adding and subtracting, by exact elimination."""
    basis: list[dict[int, Fraction]] = []
    for members, _ in knowledge.sums:
        if row := _reduced({cell: Fraction(1) for cell in members}, basis):
            basis.append(row)
    return not _reduced({cell: Fraction(1) for cell in hidden}, basis)


def _reduced(row: dict[int, Fraction], basis: list[dict[int, Fraction]]) -> dict[int, Fraction]:
    row = dict(row)
    for other in basis:
        pivot = next(iter(other))
        if factor := row.get(pivot):
            for cell, value in other.items():
                rest = row.get(cell, Fraction(0)) - factor * value / other[pivot]
                if rest:
                    row[cell] = rest
                else:
                    row.pop(cell, None)
    return row


def allows(knowledge: Knowledge, hidden: frozenset[int], value: int, guess: list[int]) -> bool:
    """Return whether a hidden sum could have a value, by trying counts until all sums agree.

    The search begins near a guess; that is faster, and doesn't change what is found. What takes too
    long to try is left to an integer program.
    """
    sums = [(sorted(members), total) for members, total in knowledge.sums]
    sums.append((sorted(hidden), value))
    count = len(guess)
    of_cell: list[list[int]] = [[] for _ in range(count)]
    for number, (members, _) in enumerate(sums):
        for cell in members:
            of_cell[cell].append(number)
    limits: list[list[int]] = [[] for _ in range(count)]
    for number, (members, _) in enumerate(knowledge.most):
        for cell in members:
            limits[cell].append(number)
    room = [limit for _, limit in knowledge.most]
    rest = [total for _, total in sums]
    missing = [len(members) for members, _ in sums]
    ceiling = max(rest) + 3
    left, nodes = set(range(count)), [0]

    def bounds(cell: int) -> tuple[int, int]:
        high = min([rest[number] for number in of_cell[cell]], default=ceiling)
        high = min([high, *(room[number] for number in limits[cell])])
        low = max([rest[number] for number in of_cell[cell] if missing[number] == 1], default=0)
        return low, high

    def search() -> bool:
        nodes[0] += 1
        if nodes[0] > MOST_NODES:
            raise TimeoutError
        if not left:
            return True
        # The group with the fewest choices comes first, so that contradictions are found early.
        ranges = {cell: bounds(cell) for cell in left}
        cell = min(left, key=lambda one: (ranges[one][1] - ranges[one][0], one not in hidden, one))
        low, high = ranges[cell]
        left.discard(cell)
        for number in of_cell[cell]:
            missing[number] -= 1
        for amount in sorted(range(low, high + 1), key=lambda one: abs(one - guess[cell])):
            for number in of_cell[cell]:
                rest[number] -= amount
            for number in limits[cell]:
                room[number] -= amount
            is_found = search()
            for number in of_cell[cell]:
                rest[number] += amount
            for number in limits[cell]:
                room[number] += amount
            if is_found:
                return True
        for number in of_cell[cell]:
            missing[number] += 1
        left.add(cell)
        return False

    try:
        return search()
    except TimeoutError:
        return _is_solvable(knowledge, sums, count)


def _is_solvable(knowledge: Knowledge, sums: list[tuple[list[int], int]], count: int) -> bool:
    rows = [*sums, *((sorted(members), limit) for members, limit in knowledge.most)]
    matrix = np.zeros((len(rows), count))
    for number, (members, _) in enumerate(rows):
        matrix[number, members] = 1
    high = np.array([total for _, total in rows])
    low = np.where(np.arange(len(rows)) < len(sums), high, 0)
    solved = milp(np.zeros(count), constraints=(matrix, low, high), integrality=np.ones(count))
    assert solved.status in (0, 2), solved.message
    return solved.success

"""Groups of sessions: how large they are, what they add up to, and which are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse

# Each grain of time is a part of these.
COARSER = {
    "day": ("week", "month", "quarter", "year"),
    "month": ("quarter", "year"),
    "quarter": ("year",),
}
Names = frozenset  # of dimensions


@dataclass(frozen=True)
class Rows:
    """Sessions of certain conditions, one row per session and values of its dimensions.

    Parameters
    ----------
    dimensions : dict of str to numpy.ndarray
        Values as text by dimension; None where not known.
    users, sessions : numpy.ndarray of uint64
        Who and which, as numbers; a session of no known user has the user 0.
    numbers : dict of str to numpy.ndarray of float
        What each row adds to a metric; NaN where it doesn't count.
    """

    dimensions: dict[str, np.ndarray]
    users: np.ndarray
    sessions: np.ndarray
    numbers: dict[str, np.ndarray]


@dataclass(frozen=True)
class Level:
    """The groups that some dimensions make of some rows: identities, and their keys in order."""

    ids: np.ndarray
    keys: np.ndarray
    codes: dict[str, np.ndarray]


@dataclass
class Groups:
    """Groups of sessions across tables. Two groups of the same sessions are one group.

    Attributes
    ----------
    values : dict of str to numpy.ndarray
        By metric: its sum in each group.
    known, counted : dict of str to numpy.ndarray
        By metric: the users of a group for whom it is known, and for whom it isn't zero.
    weight : numpy.ndarray
        Sessions of each group.
    """

    levels: dict[tuple[str, Names], Level] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    known: dict[str, np.ndarray] = field(default_factory=dict)
    counted: dict[str, np.ndarray] = field(default_factory=dict)
    weight: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _ids: dict[tuple[int, int], int] = field(default_factory=dict)
    _codes: dict[str, dict[str | None, int]] = field(default_factory=dict)
    _marks: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, universe: str, rows: Rows, sets: Iterable[Names]) -> None:
        """Make groups of rows by several sets of dimensions."""
        self.prepare(rows.numbers)
        # A session of no known user is a user of its own where no user is known.
        people = np.where(rows.users != 0, rows.users, rows.sessions)
        order = np.argsort(people, kind="stable")
        codes = {name: self._coded(name, values)[order] for name, values in rows.dimensions.items()}
        users, is_known = people[order], rows.users[order] != 0
        prints = _mixed(rows.sessions[order])
        numbers = {name: values[order] for name, values in rows.numbers.items()}
        for names in sets:
            keys = self._keys(codes, names, len(order))
            if not len(keys):
                nothing = np.zeros(0, dtype=int)
                self.levels[universe, names] = Level(nothing, keys, dict.fromkeys(names, nothing))
                continue
            by_key = np.argsort(keys, kind="stable")
            keys_sorted, users_sorted = keys[by_key], users[by_key]
            starts = _starts(keys_sorted)
            pairs = np.union1d(starts, _starts(users_sorted))
            owner = np.searchsorted(starts, pairs, side="right") - 1
            counts = np.diff(np.append(starts, len(keys)))
            sums = np.add.reduceat(prints[by_key], starts)
            ids = self._identified(sums, counts)
            codes_of_groups = {name: codes[name][by_key[starts]] for name in names}
            self.levels[universe, names] = Level(ids, keys_sorted[starts], codes_of_groups)
            self._grow()
            self.weight[ids] = counts
            known_pairs = is_known[by_key[pairs]]

            def size(mask, pairs=pairs, owner=owner, by_key=by_key, known_pairs=known_pairs):
                some = np.logical_or.reduceat(mask[by_key], pairs)
                people = np.bincount(owner[some & known_pairs], minlength=owner[-1] + 1)
                others = np.bincount(owner[some & ~known_pairs], minlength=owner[-1] + 1)
                return np.where(people > 0, people, others)

            sizes: dict[bytes, np.ndarray] = {}
            for name, values in numbers.items():
                present = ~np.isnan(values)
                filled = np.where(present, values, 0.0)
                self.values[name][ids] = np.add.reduceat(filled[by_key], starts)
                for kind, mask in ((self.known, present), (self.counted, filled != 0)):
                    content = np.packbits(mask).tobytes()
                    if content not in sizes:
                        sizes[content] = size(mask)
                    kind[name][ids] = sizes[content]

    def prepare(self, metrics: Iterable[str]) -> None:
        """Make room for metrics."""
        for name in metrics:
            for kind in (self.values, self.known, self.counted):
                kind.setdefault(name, np.full(len(self.weight), np.nan))

    def find(
        self, universe: str, level: Names, values: dict[str, np.ndarray], length: int
    ) -> np.ndarray:
        """Return the groups of a level with some values of their dimensions; -1 if there is none.

        The level may have coarser grains of time, too: they follow from the values.
        """
        codes = {name: self._coded(name, values[name]) for name in values}
        found = self.levels[universe, level]
        own = self._keys(found.codes, Names(values), len(found.ids))
        order = np.argsort(own)
        keys = self._keys(codes, Names(values), length)
        return self._located(Level(found.ids[order], own[order], {}), keys)

    def same(self, universe: str, names: Names, other: str) -> np.ndarray:
        """Return for each group of a level the one with equal values in another universe, or -1."""
        level, found = self.levels[universe, names], self.levels[other, names]
        return self._located(found, level.keys)

    def equations(self, nodes: Sequence[tuple[str, Names]]) -> sparse.csr_array:
        """Return the sums between levels, from each to the nearest that it adds up to.

        Parameters
        ----------
        nodes : sequence of (universe, names)
            The levels; two of different universes never add up, but may share groups.
        """
        rows, columns, signs, number = [], [], [], 0
        for universe, names in nodes:
            below = [other for where, other in nodes if where == universe and other < names]
            level = self.levels[universe, names]
            for other in below:
                if any(other < between for between in below):
                    continue
                total = self.levels[universe, other]
                keys = self._keys(level.codes, other, len(level.ids))
                sums = np.searchsorted(total.keys, keys)
                # A total with one part is that part.
                trivial = np.bincount(sums, minlength=len(total.ids)) == 1
                parts = ~trivial[sums]
                rows += [number + sums[parts], number + np.flatnonzero(~trivial)]
                columns += [level.ids[parts], total.ids[~trivial]]
                signs += [np.ones(parts.sum()), -np.ones((~trivial).sum())]
                number += len(total.ids)
        shape = (number, len(self.weight))
        if not rows:
            return sparse.csr_array(shape)
        where = (np.concatenate(rows), np.concatenate(columns))
        matrix = sparse.csr_array((np.concatenate(signs), where), shape=shape)
        return matrix[np.diff(matrix.indptr) > 0]

    def _located(self, level: Level, keys: np.ndarray) -> np.ndarray:
        if not len(level.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
        return np.where(level.keys[place] == keys, level.ids[place], -1)

    def _identified(self, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
        pairs = zip(sums.tolist(), counts.tolist(), strict=True)
        return np.array([self._ids.setdefault(pair, len(self._ids)) for pair in pairs], dtype=int)

    def _grow(self) -> None:
        more = len(self._ids) - len(self.weight)
        self.weight = np.append(self.weight, np.zeros(more))
        for kind in (self.values, self.known, self.counted):
            for name in kind:
                kind[name] = np.append(kind[name], np.full(more, np.nan))

    def _coded(self, name: str, values: np.ndarray) -> np.ndarray:
        known = self._codes.setdefault(name, {})
        local, found = pd.factorize(values, use_na_sentinel=False)
        found = [None if pd.isna(value) else value for value in found]
        # In the order of the values, so that the same rows in another order hide the same groups.
        for value in sorted(found, key=lambda value: (value is not None, value)):
            known.setdefault(value, len(known))
        mapping = np.array([known[value] for value in found], dtype=int)
        return mapping[local] if len(local) else np.zeros(0, dtype=int)

    def _keys(self, codes: dict[str, np.ndarray], names: Names, length: int) -> np.ndarray:
        """Return one number per row for its values: equal for equal values of these dimensions."""
        keys = np.zeros(length, dtype=np.uint64)
        for name in sorted(names):
            salt = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
            keys += _mixed(_mixed(codes[name].astype(np.uint64)) + np.uint64(salt))
        return keys


def closure(sets: Iterable[Names]) -> set[Names]:
    """Return sets of dimensions with everything that two of them share."""
    found = set(sets)
    new = found
    while new:
        new = {one & other for one in found for other in new} - found
        found |= new
    return found


def completed(names: Names, grains: Iterable[str]) -> Names:
    """Return dimensions with the coarser grains of time that follow from them."""
    implied = set()
    for name in names:
        stem, _, grain = name.rpartition("__")
        implied |= {f"{stem}__{coarse}" for coarse in COARSER.get(grain, ())} & set(grains)
    return names | implied


def crossings(sets: Iterable[Names], grains: Iterable[str]) -> set[Names]:
    """Return what two grains share of which neither is a part of the other: weeks and months."""
    times, found = set(grains), set()
    for one, other in combinations(set(sets), 2):
        here, there = one & times, other & times
        if here and there and not (here <= there or there <= here):
            found.add((one & other) | here | there)
    return found


def _starts(values: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.append(True, values[1:] != values[:-1]))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return numbers whose sums don't collide by chance: SplitMix64's mixing function."""
    values = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

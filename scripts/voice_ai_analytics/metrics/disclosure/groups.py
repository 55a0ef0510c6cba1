"""Groups of sessions: how large they are, what they add up to, and which are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

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
    """Groups of sessions across tables.

    Equal values of the same dimensions are one group, and so is a total with a single part.

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
    _prints: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    _conditions: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    _ids: dict[tuple, int] = field(default_factory=dict)
    _codes: dict[str, dict[str | None, int]] = field(default_factory=dict)

    def add(self, universe: str, conditions: int, rows: Rows, sets: Iterable[Names]) -> None:
        """Make groups of rows, which meet some conditions, by several sets of dimensions."""
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
            made = (conditions, tuple(sorted(names)))
            fresh = [(*made, key) for key in keys_sorted[starts].tolist()]
            ids = np.array([self._ids.setdefault(one, len(self._ids)) for one in fresh], dtype=int)
            codes_of_groups = {name: codes[name][by_key[starts]] for name in names}
            self.levels[universe, names] = Level(ids, keys_sorted[starts], codes_of_groups)
            is_new = ids >= len(self.weight)
            self._grow()
            self.weight[ids[is_new]], self._prints[ids[is_new]] = counts[is_new], sums[is_new]
            self._conditions[ids] = conditions
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

    def unite(self) -> None:
        """Make one group of each total and its only part."""
        count = len(self.weight)
        pairs = []
        for level, total, sums in self._sums_between(list(self.levels)):
            is_only = np.bincount(sums, minlength=len(total.ids))[sums] == 1
            pairs.append((total.ids[sums[is_only]], level.ids[is_only]))
        if not pairs:
            return
        one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
        links = sparse.csr_array((np.ones(len(one)), (one, other)), shape=(count, count))
        _, united = connected_components(links, directed=False)
        _, first = np.unique(united, return_index=True)
        self.levels = {
            node: Level(united[level.ids], level.keys, level.codes)
            for node, level in self.levels.items()
        }
        for kind in (self.values, self.known, self.counted):
            for name, numbers in kind.items():
                # A metric that is asked for one of them only is the same for all.
                merged = np.full(len(first), np.nan)
                is_there = ~np.isnan(numbers)
                merged[united[is_there]] = numbers[is_there]
                kind[name] = merged
        self.weight, self._prints = self.weight[first], self._prints[first]
        self._conditions = self._conditions[first]

    def equations(self, nodes: Sequence[tuple[str, Names]]) -> tuple[sparse.csr_array, int]:
        """Return the sums between levels, from each to the nearest that it adds up to.

        Parameters
        ----------
        nodes : sequence of (universe, names)
            The levels. Two of different universes never add up.

        Returns
        -------
        equations : scipy.sparse.csr_array, shape (equations, groups)
            One row per sum: -1 for the total and 1 for each part. The last ones say that groups of
            different conditions have the same sessions: those in rural regions are the rural ones.
        same : int
            How many say that.
        """
        rows, columns, signs, number = [], [], [], 0
        for level, total, sums in self._sums_between(nodes):
            several = np.bincount(sums, minlength=len(total.ids)) > 1
            parts = several[sums]
            rows += [number + sums[parts], number + np.flatnonzero(several)]
            columns += [level.ids[parts], total.ids[several]]
            signs += [np.ones(parts.sum()), -np.ones(several.sum())]
            number += len(total.ids)
        used = np.unique(np.concatenate([self.levels[node].ids for node in nodes]))
        _, first, group = np.unique(self._prints[used], return_index=True, return_inverse=True)
        twins = np.flatnonzero(self._conditions[used] != self._conditions[used[first[group]]])
        rows += [number + np.arange(len(twins))] * 2
        columns += [used[twins], used[first[group[twins]]]]
        signs += [np.ones(len(twins)), -np.ones(len(twins))]
        where = (np.concatenate(rows), np.concatenate(columns))
        shape = (number + len(twins), len(self.weight))
        matrix = sparse.csr_array((np.concatenate(signs), where), shape=shape)
        return matrix[np.diff(matrix.indptr) > 0], len(twins)

    def _sums_between(
        self, nodes: Sequence[tuple[str, Names]]
    ) -> Iterator[tuple[Level, Level, np.ndarray]]:
        """Yield a level, the nearest that it adds up to, and the place of each part's total."""
        for universe, names in nodes:
            below = [other for where, other in nodes if where == universe and other < names]
            level = self.levels[universe, names]
            for other in below:
                if any(other < between for between in below):
                    continue
                total = self.levels[universe, other]
                keys = self._keys(level.codes, other, len(level.ids))
                yield level, total, np.searchsorted(total.keys, keys)

    def _located(self, level: Level, keys: np.ndarray) -> np.ndarray:
        if not len(level.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
        return np.where(level.keys[place] == keys, level.ids[place], -1)

    def _grow(self) -> None:
        more = len(self._ids) - len(self.weight)
        self.weight = np.append(self.weight, np.zeros(more))
        self._prints = np.append(self._prints, np.zeros(more, dtype=np.uint64))
        self._conditions = np.append(self._conditions, np.zeros(more, dtype=int))
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

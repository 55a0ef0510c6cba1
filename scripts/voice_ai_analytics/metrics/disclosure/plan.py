"""Which numbers of exported tables are hidden, and the audit of what the tables then show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.disclosure.attack import Sums
from voice_ai_analytics.metrics.disclosure.groups import (
    Groups,
    Names,
    Rows,
    closure,
    completed,
    crossings,
)
from voice_ai_analytics.metrics.disclosure.parts import Definitions, Part
from voice_ai_analytics.metrics.disclosure.protect import Secret, protect

SESSIONS = "voice_ai_sessions"
TIME = "metric_time__"
NEARLY_ALL = 0.5


@dataclass(frozen=True)
class Published:
    """A table: what it shows, by what, of which sessions.

    Parameters
    ----------
    name : str
        The table's.
    metrics : tuple of str
        Its numbers.
    levels : tuple of frozenset of str
        The dimensions of its rows: one set, and one more per total.
    conditions : tuple of str
        MetricFlow's filters of all its rows.
    """

    name: str
    metrics: tuple[str, ...]
    levels: tuple[Names, ...]
    conditions: tuple[str, ...]


# Takes metrics, dimensions and conditions; returns one row per session.
Ask = Callable[[Sequence[str], Sequence[str], Sequence[str]], Rows]
# Takes metrics and dimensions; returns whether they can be asked together.
Fits = Callable[[Sequence[str], Sequence[str]], bool]


@dataclass
class Universe:
    """Sessions of the same conditions, and what tables show of them."""

    conditions: tuple[str, ...]
    metrics: set[str] = field(default_factory=lambda: {SESSIONS})
    dimensions: set[str] = field(default_factory=set)
    levels: set[Names] = field(default_factory=set)


@dataclass
class Use:
    """Where tables show a number, where few users are behind it, and what it is divided by."""

    metric: str
    published: np.ndarray
    small: np.ndarray
    users: np.ndarray
    nodes: set[tuple[str, Names]] = field(default_factory=set)
    under: set[str] = field(default_factory=set)


class Plan:
    """What is hidden in tables that are exported together.

    Parameters
    ----------
    tables : sequence of Published
        All tables of one export: what one shows may reveal what another hides.
    definitions : Definitions
        What their metrics are made of.
    least : int
        The fewest users that a number may rest on.
    ask, fits : callable
        See `Ask` and `Fits`.
    """

    def __init__(
        self,
        tables: Sequence[Published],
        definitions: Definitions,
        least: int,
        ask: Ask,
        fits: Fits,
    ) -> None:
        self.least, self.definitions = least, definitions
        self.made = {
            metric: definitions.made(metric) for table in tables for metric in table.metrics
        }
        self.grains = {
            name
            for table in tables
            for names in table.levels
            for name in names
            if name.startswith(TIME)
        }
        self.tables = tables
        self._fits = fits
        self.universes: dict[str, Universe] = {}
        self._place()
        self.groups = Groups()
        shared = {self._level(names) for table in tables for names in table.levels}
        self._crossing = crossings(shared, self.grains)
        every = closure(shared | self._crossing)
        kinds: dict[tuple[str, ...], int] = {}
        for key, universe in self.universes.items():
            rows = ask(sorted(universe.metrics), sorted(universe.dimensions), universe.conditions)
            reach = [names | self._times(universe) for names in universe.levels]
            levels = [names for names in every if any(names <= one for one in reach)]
            conditions = kinds.setdefault(universe.conditions, len(kinds))
            ordered = sorted({*levels, *universe.levels}, key=sorted)
            self.groups.add(key, conditions, rows, ordered)
        self.groups.unite()
        self.hidden = self._decided()

    def closed(self, table: Published, names: Names, keys: dict, length: int) -> dict:
        """Return which rows of a level of a table hide which metric.

        Parameters
        ----------
        table : Published
            One of the tables.
        names : frozenset of str
            The level.
        keys : dict of str to numpy.ndarray
            The rows' values by dimension.
        length : int
            How many rows.

        Returns
        -------
        dict of str to numpy.ndarray of bool
            By metric; under the empty name, the rows that are hidden as a whole.
        """
        answer = {}
        for metric in table.metrics:
            hidden = np.zeros(length, dtype=bool)
            for part in self.made[metric].parts:
                found = self._find(table, part, names, keys, length)
                hidden |= (found >= 0) & self.hidden[part.metric][found]
            answer[metric] = hidden
        return answer | {"": np.logical_and.reduce(list(answer.values()))}

    def audit(self, shown: Iterable[tuple[Published, Names, dict, dict]]) -> list[str]:
        """Return the metrics of which a reader of the tables can find hidden numbers.

        Parameters
        ----------
        shown : iterable of (table, level, keys, visible)
            The rows of the tables as they are written: by metric, which rows show it.

        Returns
        -------
        list of str
            One line per metric with how many; empty if none can be found.
        """
        seen = {name: np.zeros(len(self.groups.weight), dtype=bool) for name in self.hidden}
        for table, names, keys, visible in shown:
            length = len(next(iter(visible.values())))
            for metric in table.metrics:
                for part in self.made[metric].parts:
                    found = self._find(table, part, names, keys, length)
                    seen[part.metric][found[visible[metric] & (found >= 0)]] = True
        # What the tables say in spite of the plan.
        leaks = {name: (seen[name] & closed).sum() for name, closed in self.hidden.items()}
        told = [f"{count} of {name}" for name, count in leaks.items() if count]
        for secret in self.secrets:
            closed = self.hidden[secret.name]
            # A part of a hidden share may still be known: its reader is taken to know all of them.
            shown = (secret.published & ~closed) | seen[secret.name]
            found = secret.exposed(shown, closed & ~shown)
            if found.any():
                told.append(f"{int(found.sum())} of {secret.name}")
        return told

    # Which sessions and groups the tables are about.

    def _place(self) -> None:
        """Put every part of every metric in a universe: tables share one where they can."""
        together: dict[tuple, list[tuple[Published, Part]]] = defaultdict(list)
        for table in self.tables:
            wanted = [Part(SESSIONS)]
            wanted += [part for metric in table.metrics for part in self.made[metric].parts]
            for part in dict.fromkeys(wanted):
                conditions = tuple(sorted({*table.conditions, *part.filters}))
                # The value of a period's last day depends on which periods are asked for.
                alone = table.name if self.definitions.is_windowed(part.metric) else ""
                together[conditions, alone].append((table, part))
        self._where: dict[tuple[str, Part], str] = {}
        for (conditions, alone), members in together.items():
            dimensions = {name for table, _ in members for name in self._named(table)}
            dimensions |= set() if alone else self._times_of(dimensions)
            metrics = {SESSIONS, *(part.metric for _, part in members)}
            is_one = self._fits(sorted(metrics), sorted(dimensions))
            for table, part in members:
                key = repr((conditions, alone, "" if is_one else table.name))
                universe = self.universes.setdefault(key, Universe(conditions))
                universe.metrics.add(part.metric)
                own = self._named(table)
                universe.dimensions |= own | (set() if alone else self._times_of(own))
                universe.levels |= {
                    names if alone else self._level(names) for names in table.levels
                }
                self._where[table.name, part] = key

    @staticmethod
    def _named(table: Published) -> set[str]:
        return set().union(*table.levels)

    def _times_of(self, dimensions: set[str]) -> set[str]:
        return self.grains if dimensions & self.grains else set()

    def _times(self, universe: Universe) -> Names:
        return Names(universe.dimensions & self.grains)

    def _level(self, names: Names) -> Names:
        return Names(completed(names, self.grains))

    def _find(
        self, table: Published, part: Part, names: Names, keys: dict, length: int
    ) -> np.ndarray:
        universe = self._where[table.name, part]
        level = self._level(names)
        if (universe, level) not in self.groups.levels or self.definitions.is_windowed(part.metric):
            level = names
        return self.groups.find(universe, level, {name: keys[name] for name in names}, length)

    # Which of their numbers are hidden.

    def _decided(self) -> dict[str, np.ndarray]:
        groups = self.groups
        few_in_group = self._few(groups.known[SESSIONS])
        uses = self._uses(few_in_group)
        self.secrets, hidden = [], {}
        rows = few_in_group
        # What most rows rest on comes first; other numbers are hidden in the same rows if possible.
        for together in self._tied(uses):
            small = np.logical_or.reduce([uses[name].small for name in together])
            secrets = [
                Secret(
                    name,
                    self._sums(uses[name], small),
                    uses[name].published,
                    uses[name].users,
                    self.least,
                )
                for name in together
                if self.definitions.is_sum(name)
            ]
            must = small | self._tells_all(uses, together, hidden)
            if not secrets:
                # Medians and distinct users don't add up, but nearly: they follow the rows.
                must |= rows
            closed = protect(secrets, must, groups.weight, rows)
            if SESSIONS in together:
                rows = closed
            hidden |= dict.fromkeys(together, closed)
            self.secrets += secrets
        return hidden

    def _tells_all(
        self, uses: dict[str, Use], together: list[str], hidden: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return the groups in which a numerator is nothing and its denominator is hidden.

        Nothing divided by anything is nothing.
        """
        found = np.zeros(len(self.groups.weight), dtype=bool)
        for name in together:
            for under in uses[name].under & hidden.keys():
                found |= uses[name].published & hidden[under] & (self.groups.values[name] == 0)
        return found

    def _uses(self, few_in_group: np.ndarray) -> dict[str, Use]:
        groups, nothing = self.groups, np.zeros(len(self.groups.weight), dtype=bool)
        uses: dict[str, Use] = {}
        for table in self.tables:
            for names, metric in product(table.levels, table.metrics):
                made = self.made[metric]
                for part in (Part(SESSIONS), *made.parts):
                    if part.metric not in uses:
                        uses[part.metric] = Use(
                            part.metric,
                            nothing.copy(),
                            few_in_group.copy(),
                            np.nan_to_num(groups.known[part.metric]),
                        )
                    use, (where, level) = uses[part.metric], self._node(table, part, names)
                    ids = groups.levels[where, level].ids
                    use.published[ids] = True
                    use.nodes.add((where, level))
                    use.small[ids] |= self._few(groups.known[part.metric][ids])
                for part, under in made.shares:
                    use, (where, level) = uses[part.metric], self._node(table, part, names)
                    if self._node(table, under, names)[1] != level:
                        raise UserError(
                            f"{metric}: can't be exported, because only one of {part.metric} and"
                            f" {under.metric} is the value of a period's last day"
                        )
                    there = groups.same(where, level, self._where[table.name, under])
                    sizes = np.where(there >= 0, groups.counted[under.metric][there], 0)
                    ids = groups.levels[where, level].ids
                    use.small[ids] |= self._few(sizes)
                    use.users[ids] = np.minimum(use.users[ids], sizes)
                    use.under.add(under.metric)
        return uses

    def _tied(self, uses: dict[str, Use]) -> list[list[str]]:
        """Return which numbers are hidden in the same groups, because they are nearly the same.

        Those that count nearly all sessions come first. Parts of a whole that make it up are one:
        what isn't transferred is contained.
        """
        values, first = self.groups.values, [SESSIONS]
        for name, use in uses.items():
            there = use.published & (self.groups.known[name] > 0)
            alike = (values[name] == self.groups.weight)[there]
            if name != SESSIONS and alike.sum() >= NEARLY_ALL * max(len(alike), 1):
                first.append(name)
        # A share is hidden where its denominator is, so that denominators come before.
        denominators = set().union(*(use.under for use in uses.values()))
        others: list[list[str]] = []
        for name in sorted(set(uses) - set(first), key=lambda one: (one not in denominators, one)):
            for members in others:
                if any(self._is_rest(uses[name], uses[member]) for member in members):
                    members.append(name)
                    break
            else:
                others.append([name])
        return [first, *others]

    def _is_rest(self, one: Use, other: Use) -> bool:
        values = self.groups.values
        for under in one.under & other.under:
            rest = values[one.metric] + values[other.metric] - values[under]
            if (np.abs(rest[~np.isnan(rest)]) <= 1e-9).all():
                return True
        return False

    def _node(self, table: Published, part: Part, names: Names) -> tuple[str, Names]:
        windowed = self.definitions.is_windowed(part.metric)
        return self._where[table.name, part], names if windowed else self._level(names)

    def _few(self, sizes: np.ndarray) -> np.ndarray:
        return (sizes > 0) & (sizes < self.least)

    def _sums(self, use: Use, small: np.ndarray) -> Sums:
        groups = self.groups
        sets = {names for _, names in use.nodes}
        every = closure(sets | crossings(sets, self.grains))
        wanted = [
            (universe, names)
            for universe in sorted({universe for universe, _ in use.nodes})
            for names in sorted(every, key=sorted)
            if (universe, names) in groups.levels
        ]
        values = np.nan_to_num(groups.values[use.metric])
        if (values < 0).any():
            raise UserError(
                f"{use.metric}: is negative in some groups, so that hidden parts of a sum can't be"
                " protected; export it without totals"
            )
        most = np.full(len(values), np.inf)
        for under in use.under:
            over = np.where(np.isnan(groups.values[under]), np.inf, groups.values[under])
            if (values <= over).all():
                most = np.minimum(most, over)
        equations, same = groups.equations(wanted)
        return Sums(equations, values, most, small, same)

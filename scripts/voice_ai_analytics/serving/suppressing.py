"""Answers that don't single people out: small groups are hidden, and differences of groups are.

Exports decide once which groups are shown. A service is asked again and again, so it also remembers
which groups it has told a client about.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import pyarrow as pa

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.query import MetricQuery
from voice_ai_analytics.metrics.suppression import COHORT_SIZE, is_small

SUPPRESSED = "is_suppressed"
METRIC_TIME = "metric_time__"
# As many as a hundred large answers; each takes some hundred bytes.
MOST_GROUPS = 1_000_000
MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True)
class Group:
    """A group of sessions that a client asked about.

    Parameters
    ----------
    values : frozenset of (str, object)
        Dimensions and their values.
    clauses : frozenset of str
        Conditions as they were written.
    start, end : datetime
        The time it spans, without the end.
    """

    values: frozenset
    clauses: frozenset
    start: datetime
    end: datetime

    def is_apart_from(self, other: Group) -> bool:
        """Return whether two groups have no session in common, whatever their conditions say."""
        mine, theirs = dict(self.values), dict(other.values)
        return (
            self.end <= other.start
            or other.end <= self.start
            or any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys())
        )


class AnswerHistory:
    """The groups that each client was told about, by the build that the answers describe.

    Parameters
    ----------
    minimum : int
        The fewest users by which two groups must differ if both are told about.
    """

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum
        self._lock = threading.Lock()
        self._build: str | None = None
        self._told: dict[str, dict[int, set[Group]]] = {}

    def may_tell(self, client: str, build: str, groups: list[tuple[Group, int]]) -> list[bool]:
        """Return which groups of one answer may be told, and remember those.

        If one group is another without a few users, their numbers can be subtracted and tell about
        these users. How many users differ isn't known, but at least as many as the sizes do.

        Parameters
        ----------
        client : str
            The name of a key.
        build : str
            The certified build. Another build begins another history.
        groups : list of (Group, int)
            Groups without a session in common, with their users.

        Raises
        ------
        UserError
            If the client was told about too many groups to remember more.
        """
        with self._lock:
            if build != self._build:
                self._build, self._told = build, {}
            told = self._told.setdefault(client, defaultdict(set))
            if sum(map(len, told.values())) + len(groups) > MOST_GROUPS:
                raise UserError(
                    f"{client} was told about {MOST_GROUPS:,} groups, and no more are remembered;"
                    " ask again after the next build"
                )
            allowed = [not self._is_near(group, size, told) for group, size in groups]
            for (group, size), is_allowed in zip(groups, allowed, strict=True):
                if is_allowed:
                    told[size].add(group)
            return allowed

    def _is_near(self, group: Group, size: int, told: dict[int, set[Group]]) -> bool:
        if group in told.get(size, ()):
            return False
        return any(
            not group.is_apart_from(other)
            for near in range(size - self._minimum + 1, size + self._minimum)
            for other in told.get(near, ())
        )


class Suppression:
    """Hides numbers of groups that are too small, or too near to what a client knows already.

    Parameters
    ----------
    minimum : int
        The fewest users: the var ``voice_ai_min_cohort_size``.
    """

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum
        self._history = AnswerHistory(minimum)

    def with_sizes(self, query: MetricQuery) -> MetricQuery:
        """Return a question that also asks for the groups' sizes.

        It has no limit: which groups come first could depend on what is hidden.
        """
        metrics = tuple(dict.fromkeys((*query.metrics, COHORT_SIZE)))
        return query.model_copy(update={"metrics": metrics, "limit": None})

    def apply(self, query: MetricQuery, answer: pa.Table, client: str, build: str) -> pa.Table:
        """Return the answer to a question, with nulls for what isn't told.

        Parameters
        ----------
        query : MetricQuery
            As it was asked.
        answer : pyarrow.Table
            The answer to `with_sizes` of it.
        client, build : str
            As for `AnswerHistory.may_tell`.

        Returns
        -------
        pyarrow.Table
            Dimensions, ``is_suppressed``, metrics. Suppressed groups come last, in the order of
            their dimensions, because their place in another order would tell about them.
        """
        sizes = [size or 0 for size in answer.column(COHORT_SIZE).to_pylist()]
        large = [number for number, size in enumerate(sizes) if not is_small(size, self.minimum)]
        dimensions = answer.select(list(query.group_by)).to_pylist()
        groups = [(_group(query, dimensions[number]), int(sizes[number])) for number in large]
        allowed = self._history.may_tell(client, build, groups)
        shown = [number for number, may in zip(large, allowed, strict=True) if may]
        hidden = sorted(
            set(range(len(sizes))) - set(shown), key=lambda number: str(dimensions[number].values())
        )
        ordered = answer.take(pa.array([*shown, *hidden], pa.int64()))
        is_hidden = pa.array([False] * len(shown) + [True] * len(hidden), pa.bool_())
        columns = {name: ordered.column(name) for name in query.group_by} | {SUPPRESSED: is_hidden}
        for name in query.metrics:
            values = ordered.column(name).to_pylist()[: len(shown)] + [None] * len(hidden)
            columns[name] = pa.array(values, ordered.schema.field(name).type)
        return pa.table(columns)[: query.limit]


def _group(query: MetricQuery, values: dict) -> Group:
    """Return the group of one row."""
    start = datetime.combine(query.start or date.min, time())
    last = min(query.end or date.max, date.max - timedelta(1))
    end = datetime.combine(last, time()) + timedelta(1)
    others = set()
    for name, value in values.items():
        grain = name.removeprefix(METRIC_TIME)
        if name.startswith(METRIC_TIME) and value is not None and grain in DAYS | MONTHS:
            begins = datetime(value.year, value.month, value.day)
            start, end = max(start, begins), min(end, _end(begins, grain))
        else:
            others.add((name, value))
    clauses = frozenset(" ".join(clause.split()) for clause in query.where)
    return Group(frozenset(others), clauses, start, end)


def _end(begins: datetime, grain: str) -> datetime:
    if grain in DAYS:
        return begins + timedelta(DAYS[grain])
    months = begins.year * 12 + begins.month - 1 + MONTHS[grain]
    return datetime(months // 12, months % 12 + 1, 1)

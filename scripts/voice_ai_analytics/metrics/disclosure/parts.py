"""What a metric is made of: the counts and sums that a number rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.definitions import aggregation, filters_of

SUMS = ("sum", "count", "sum_boolean")


@dataclass(frozen=True, order=True)
class Part:
    """A simple metric in a metric.

    Parameters
    ----------
    metric : str
        Its name.
    filters : tuple of str
        MetricFlow's conditions, beyond those that belong to the simple metric itself.
    """

    metric: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What a metric is computed from.

    Parameters
    ----------
    parts : tuple of Part
        All of them.
    shares : tuple of (Part, Part)
        Pairs of a part and what it is divided by: the users behind such a number are those who
        count in the second.
    """

    parts: tuple[Part, ...]
    shares: tuple[tuple[Part, Part], ...]


class Definitions:
    """The metrics of a semantic manifest, taken apart.

    Parameters
    ----------
    semantics : dict
        The semantic manifest: ``DbtProject.semantics``.
    """

    def __init__(self, semantics: dict) -> None:
        self._metrics = {metric["name"]: metric for metric in semantics["metrics"]}
        self._semantic_models = semantics["semantic_models"]

    def made(self, metric: str) -> Made:
        """Return what a metric is computed from.

        Raises
        ------
        UserError
            If it looks back in time: which of its groups add up to what can't be told.
        """
        parts, shares = self._taken_apart(metric, ())
        return Made(tuple(dict.fromkeys(parts)), tuple(dict.fromkeys(shares)))

    def is_sum(self, simple: str) -> bool:
        """Return whether the numbers of groups add up to that of all of them together."""
        found = aggregation(self._metrics[simple], self._semantic_models)
        return found.function in SUMS and not found.non_additive_dimension

    def is_windowed(self, simple: str) -> bool:
        """Return whether the number of a period is that of one day in it."""
        found = aggregation(self._metrics[simple], self._semantic_models)
        return bool(found.non_additive_dimension)

    def _taken_apart(self, name: str, outer: tuple[str, ...]) -> tuple[list[Part], list]:
        metric = self._metrics[name]
        parameters, kind = metric["type_params"], metric["type"]
        if kind == "simple":
            # MetricFlow applies the metric's own filter whenever it is asked for it.
            part = Part(name, tuple(sorted(outer)))
            return [part], []
        filters = (*outer, *filters_of(metric))
        if kind == "ratio":
            over, under = (
                self._input(name, parameters[side], filters)
                for side in ("numerator", "denominator")
            )
            pairs = [(one, other) for one in over[0] for other in under[0]]
            return over[0] + under[0], over[1] + under[1] + pairs
        if kind != "derived":
            raise UserError(f"{name}: {_REFUSED.format(kind)}")
        parts, shares, by_alias = [], [], {}
        for one in parameters["metrics"]:
            found = self._input(name, one, filters)
            by_alias[one.get("alias") or one["name"]] = found[0]
            parts += found[0]
            shares += found[1]
        for over, under in _divisions(parameters["expr"]):
            shares += [
                (one, other)
                for above in over
                for below in under
                for one in by_alias.get(above, ())
                for other in by_alias.get(below, ())
                if one != other
            ]
        return parts, shares

    def _input(self, name: str, given: dict | str, outer: tuple[str, ...]) -> tuple[list, list]:
        given = {"name": given} if isinstance(given, str) else given
        if given.get("offset_window") or given.get("offset_to_grain"):
            raise UserError(f"{name}: {_REFUSED.format('look-back')}")
        return self._taken_apart(given["name"], (*outer, *filters_of(given)))


_REFUSED = (
    "can't be exported, because a {} metric repeats numbers of other rows, hidden ones included;"
    " export what it is computed from"
)


def _divisions(expression: str) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the names above and below each division in a derived metric's expression."""
    for division in sqlglot.parse_one(expression).find_all(sqlglot.exp.Div):
        yield _columns(division.left), _columns(division.right)


def _columns(expression) -> set[str]:
    return {column.name for column in expression.find_all(sqlglot.exp.Column)}

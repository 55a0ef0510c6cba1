"""Metrics as one SQL expression each, for tools that have no MetricFlow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from voice_ai_analytics.metrics.definitions import Aggregation, aggregation, filters_of

DIMENSION = re.compile(r"\{\{\s*Dimension\(\s*(['\"])(\w+?)__(\w+)\1\s*\)\s*\}\}")


class NoExpressionError(Exception):
    """A metric that no single expression means; says why."""


@dataclass(frozen=True)
class Expression:
    """A metric as SQL, with the semantic models whose rows it aggregates."""

    sql: str
    models: frozenset[str]


class Expressions:
    """Translates the metrics of a manifest.

    Parameters
    ----------
    metrics, semantic_models : iterable of dict
        From the manifest or the semantic manifest.
    qualified : callable
        Takes a semantic model and SQL over its rows; returns that SQL as the tool wants it.
    aggregated : callable
        Takes an aggregation and the condition that rows must meet, empty if there is none; returns
        SQL, or raises `NoExpressionError`.
    """

    def __init__(
        self,
        metrics: Iterable[dict],
        semantic_models: Iterable[dict],
        qualified: Callable[[dict, str], str],
        aggregated: Callable[[Aggregation, str], str],
    ) -> None:
        self._metrics = {metric["name"]: metric for metric in metrics}
        self._models = list(semantic_models)
        self._qualified, self._aggregated = qualified, aggregated

    def of(self, metric: dict, filters: tuple[str, ...] = ()) -> Expression:
        """Return a metric over the rows that pass some filters.

        Parameters
        ----------
        metric : dict
            One of the manifest.
        filters : tuple of str
            MetricFlow's templates.

        Raises
        ------
        NoExpressionError
            If no expression has its meaning.
        """
        params = metric["type_params"]
        if given := aggregation(metric, self._models):
            if given.fills_gaps:
                raise NoExpressionError("has a value for times without rows")
            conditions = (
                f"({self._condition(given.semantic_model, one)})"
                for one in (*filters, *given.filters)
            )
            sql = self._aggregated(given, " and ".join(conditions))
            return Expression(sql, frozenset([given.semantic_model["name"]]))
        filters += filters_of(metric)
        if metric["type"] == "ratio":
            inputs = {side: params[side] for side in ("numerator", "denominator")}
            sql = "(numerator * 1.0) / nullif(denominator, 0)"
        elif metric["type"] == "derived":
            inputs = {entry.get("alias") or entry["name"]: entry for entry in params["metrics"]}
            sql = params["expr"].strip()
        else:
            raise NoExpressionError(f"is a {metric['type']} metric")
        found = {name: self._input(entry, filters) for name, entry in inputs.items()}
        models = frozenset().union(*(one.models for one in found.values()))
        return Expression(with_inputs(sql, {name: one.sql for name, one in found.items()}), models)

    def _input(self, entry: dict, filters: tuple[str, ...]) -> Expression:
        if entry.get("offset_window") or entry.get("offset_to_grain"):
            raise NoExpressionError("compares one time with another")
        metric = self._metrics[entry["name"]]
        found = self.of(metric, filters + filters_of(entry))
        # Aggregates need no parentheses.
        return found if metric["type"] == "simple" else replace(found, sql=f"({found.sql})")

    def _condition(self, model: dict, template: str) -> str:
        columns = {one["name"]: one["expr"] or one["name"] for one in model["dimensions"]}
        entities = {one["name"] for one in model["entities"]}

        def column(found: re.Match) -> str:
            if found[2] not in entities or found[3] not in columns:
                raise NoExpressionError(f"filters by {found[2]}__{found[3]}, of another table")
            return self._qualified(model, columns[found[3]])

        condition = DIMENSION.sub(column, template)
        if "{{" in condition:
            raise NoExpressionError("filters by more than dimensions")
        return condition


def with_inputs(expression: str, inputs: dict[str, str]) -> str:
    """Return an expression with each input's name replaced by its SQL, all in one step."""
    names = "|".join(re.escape(name) for name in sorted(inputs, key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: inputs[found[1]], expression)

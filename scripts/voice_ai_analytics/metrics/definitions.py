"""Metric definitions, read from the semantic manifest, which is the only place that has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voice_ai_analytics.errors import UserError


@dataclass(frozen=True)
class Aggregation:
    """How a simple metric combines the rows of its semantic model.

    Parameters
    ----------
    semantic_model : dict
        As the manifest has it.
    function : str
        ``sum``, ``count``, ``count_distinct``, ``percentile`` and so on.
    expression : str
        SQL over one row: ``case when is_completed then 1 else 0 end``.
    filters : tuple of str
        MetricFlow's templates; all must hold.
    options : dict
        Of a percentile: ``percentile`` in [0, 1], ``use_discrete_percentile``,
        ``use_approximate_percentile``.
    non_additive_dimension : dict or None
        The time dimension over which it doesn't add up.
    fills_gaps : bool
        Whether periods without rows have a value too.
    """

    semantic_model: dict
    function: str
    expression: str
    filters: tuple[str, ...]
    options: dict
    non_additive_dimension: dict | None
    fills_gaps: bool


@dataclass(frozen=True)
class Component:
    """The numerator or the denominator of a ratio.

    Parameters
    ----------
    metric : str
        The name of the simple metric, such as ``voice_ai_completed_sessions``.
    aggregation : str
        How rows are combined: ``sum``, ``count``, ``count_distinct``.
    expression : str
        SQL over one row of the model: ``case when is_completed then 1 else 0 end``.
    model : str
        The name of the table or view in the warehouse: ``fact_voice_ai_sessions``.
    """

    metric: str
    aggregation: str
    expression: str
    model: str


@dataclass(frozen=True)
class Ratio:
    """A ratio metric: its label, its description, and what is divided by what."""

    metric: str
    label: str
    description: str
    numerator: Component
    denominator: Component


def ratio(semantics: dict, metric: str) -> Ratio:
    """Return a ratio metric's numerator and denominator as the semantic manifest defines them.

    Parameters
    ----------
    semantics : dict
        The semantic manifest: ``DbtProject.semantics``.
    metric : str
        The name of a ratio, such as ``voice_ai_completion_rate``.

    Returns
    -------
    Ratio

    Raises
    ------
    UserError
        If there is no such ratio, or a filter belongs to it, so that its components aren't plain
        aggregates.
    """
    defined = _metric(semantics, metric)
    if defined["type"] != "ratio":
        raise UserError(f"{metric}: is a {defined['type']} metric, not a ratio")
    _refuse_filters(metric, filters_of(defined))
    parts = defined["type_params"]
    return Ratio(
        metric,
        defined["label"] or metric,
        " ".join((defined["description"] or "").split()),
        _component(semantics, metric, parts["numerator"]),
        _component(semantics, metric, parts["denominator"]),
    )


def aggregation(metric: dict, semantic_models: Iterable[dict]) -> Aggregation | None:
    """Return how a simple metric combines rows, whether dbt 1 or dbt 2 has written it.

    Parameters
    ----------
    metric : dict
        From the manifest or the semantic manifest.
    semantic_models : iterable of dict
        From the same one.

    Returns
    -------
    Aggregation or None
        None if the metric isn't simple.
    """
    params = metric["type_params"]
    if metric["type"] != "simple":
        return None
    filters = filters_of(metric)
    if used := params.get("measure"):
        # dbt 1: a measure of a semantic model.
        filters += filters_of(used)
        model, given = next(
            (model, measure)
            for model in semantic_models
            for measure in model["measures"]
            if measure["name"] == used["name"]
        )
    else:
        used, given = params, {"name": metric["name"], **params["metric_aggregation_params"]}
        model = next(one for one in semantic_models if one["name"] == given["semantic_model"])
    return Aggregation(
        model,
        given["agg"],
        given.get("expr") or given["name"],
        filters,
        given.get("agg_params") or {},
        given.get("non_additive_dimension"),
        bool(used.get("join_to_timespine")) or used.get("fill_nulls_with") is not None,
    )


def filters_of(given: dict) -> tuple[str, ...]:
    """Return the templates of the filters that a metric, or one that it is made of, has."""
    filters = (given.get("filter") or {}).get("where_filters", [])
    return tuple(one["where_sql_template"].strip() for one in filters)


def _component(semantics: dict, ratio_name: str, part: dict) -> Component:
    defined = _metric(semantics, part["name"])
    given = aggregation(defined, semantics["semantic_models"])
    if given is None:
        raise UserError(f"{ratio_name}: {part['name']} is a {defined['type']} metric, not a count")
    _refuse_filters(ratio_name, (*filters_of(part), *given.filters))
    table = given.semantic_model["node_relation"]["alias"]
    return Component(part["name"], given.function, given.expression, table)


def _metric(semantics: dict, name: str) -> dict:
    for metric in semantics["metrics"]:
        if metric["name"] == name:
            return metric
    raise UserError(
        f"{name}: no such metric; leave the var voice_ai_semantic_models true and run dbt build"
    )


def _refuse_filters(name: str, filters: tuple[str, ...]) -> None:
    if filters:
        raise UserError(f"{name}: a filter belongs to its definition; query it with voice-ai query")

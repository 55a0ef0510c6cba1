"""Metric definitions, read from the semantic manifest, which is the only place that has them."""

from __future__ import annotations

from dataclasses import dataclass

from voice_ai_analytics.errors import UserError


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
    _refuse_filter(metric, defined)
    parts = defined["type_params"]
    return Ratio(
        metric,
        defined["label"] or metric,
        " ".join((defined["description"] or "").split()),
        _component(semantics, metric, parts["numerator"]),
        _component(semantics, metric, parts["denominator"]),
    )


def _component(semantics: dict, ratio_name: str, part: dict) -> Component:
    defined = _metric(semantics, part["name"])
    used = defined["type_params"]["measure"]
    if defined["type"] != "simple" or not used:
        raise UserError(f"{ratio_name}: {part['name']} is a {defined['type']} metric, not a count")
    for one in (part, defined, used):
        _refuse_filter(ratio_name, one)
    for model in semantics["semantic_models"]:
        for measure in model["measures"]:
            if measure["name"] == used["name"]:
                return Component(
                    part["name"],
                    measure["agg"],
                    measure["expr"] or measure["name"],
                    model["node_relation"]["alias"],
                )
    raise UserError(f"{ratio_name}: the measure {used['name']} is missing; run dbt build")


def _metric(semantics: dict, name: str) -> dict:
    for metric in semantics["metrics"]:
        if metric["name"] == name:
            return metric
    raise UserError(
        f"{name}: no such metric; leave the var voice_ai_semantic_models true and run dbt build"
    )


def _refuse_filter(name: str, definition: dict) -> None:
    if definition.get("filter"):
        raise UserError(f"{name}: a filter belongs to its definition; query it with voice-ai query")

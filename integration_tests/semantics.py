"""What a semantic manifest means, whichever dbt wrote it; a consumer's metrics in both forms."""

from __future__ import annotations

from voice_ai_analytics.manifests import in_one_form
from voice_ai_analytics.metrics.definitions import aggregation, filters_of

# A consumer's own semantic model on our entity, and its metric over one of ours: dbt 1 reads the
# first form in any project, dbt 2 only the second.
OWN_TICKETS = {
    "models/tickets.sql": """
        select session_key as ticket_key, session_key, started_at as opened_at
        from {{ ref('fact_voice_ai_sessions') }}
        where is_abandoned
    """,
    "semantics_1/tickets.yml": """
semantic_models:
  - name: tickets
    model: ref('tickets')
    defaults: {agg_time_dimension: opened_at}
    entities:
      - {name: ticket, type: primary, expr: ticket_key}
      - {name: voice_ai_session, type: foreign, expr: session_key}
    dimensions: [{name: opened_at, type: time, type_params: {time_granularity: day}}]
    measures: [{name: tickets_measure, agg: count, expr: ticket_key}]
metrics:
  - {name: tickets, label: Tickets, type: simple, type_params: {measure: tickets_measure}}
  - name: tickets_per_session
    label: Tickets per session
    type: ratio
    type_params: {numerator: tickets, denominator: voice_ai_sessions}
""",
    "semantics_2/tickets.yml": """
models:
  - name: tickets
    semantic_model: {enabled: true}
    agg_time_dimension: opened_at
    columns:
      - {name: ticket_key, entity: {name: ticket, type: primary}}
      - {name: session_key, entity: {name: voice_ai_session, type: foreign}}
      - {name: opened_at, granularity: day, dimension: {type: time}}
    metrics:
      - {name: tickets, label: Tickets, agg: count, expr: ticket_key}
metrics:
  - name: tickets_per_session
    label: Tickets per session
    type: ratio
    numerator: tickets
    denominator: voice_ai_sessions
""",
}
MODEL_PATHS = """model-paths: [models, "semantics_{{ dbt_version.split('.')[0] }}"]\n"""
OWN_METRICS = ("tickets", "tickets_per_session")


def definitions(semantics: dict) -> dict[str, dict]:
    """Return what a semantic manifest defines, by name: metrics, dimensions, saved queries.

    Measures aren't among them, because dbt 2 has none.
    """
    semantics = in_one_form(semantics)
    models = semantics["semantic_models"]
    return {
        "metrics": {metric["name"]: _metric(metric, models) for metric in semantics["metrics"]},
        "semantic models": {model["name"]: _model(model) for model in models},
        "saved queries": {
            query["name"]: {**_described(query), "query": query["query_params"]}
            | {"exports": [(one["name"], one["config"]) for one in query["exports"]]}
            for query in semantics["saved_queries"]
        },
    }


def _described(given: dict) -> dict:
    text = " ".join((given.get("description") or "").split())
    return {"label": given.get("label"), "description": text}


def _model(model: dict) -> dict:
    return {
        "description": _described(model)["description"],
        "relation": model["node_relation"]["relation_name"],
        "entities": {
            one["name"]: {**_described(one), "type": one["type"], "expr": one["expr"]}
            for one in model["entities"]
        },
        "dimensions": {
            one["name"]: {
                **_described(one),
                "type": one["type"],
                "expr": one["expr"] or one["name"],
                "grain": (one.get("type_params") or {}).get("time_granularity"),
            }
            for one in model["dimensions"]
        },
    }


def _metric(metric: dict, models: list[dict]) -> dict:
    found = {**_described(metric), "type": metric["type"], "filters": filters_of(metric)}
    if given := aggregation(metric, models):
        options = {name: value for name, value in given.options.items() if value}
        moment = given.non_additive_dimension or {}
        return found | {
            "over": given.semantic_model["name"],
            "aggregation": (given.function, given.expression, options),
            "filters": given.filters,
            "moment": (moment.get("name"), moment.get("window_choice")),
            "fills gaps": given.fills_gaps,
        }
    params = metric["type_params"]
    inputs = [params["numerator"], params["denominator"], *(params["metrics"] or ())]
    return found | {
        "expression": params["expr"],
        "inputs": [
            (one["name"], one["alias"], filters_of(one), one["offset_window"])
            for one in inputs
            if one
        ],
    }

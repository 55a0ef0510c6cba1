"""What a semantic manifest means, whichever dbt wrote it; a consumer's metrics in both forms."""

from __future__ import annotations

import json
from pathlib import Path

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
# voice-ai where nothing of dbt is installed, as beside dbt 2.
WITHOUT_DBT = """
import sys
for name in ("dbt", "dbt_common", "dbt_metricflow", "dbt_semantic_interfaces"):
    sys.modules[name] = None
"""
VOICE_AI_WITHOUT_DBT = f"{WITHOUT_DBT}from voice_ai_analytics.cli import main; main()"


def add_own_metrics(project: Path) -> None:
    """Add a consumer's metrics to its project, in the form of whichever dbt parses it."""
    settings = project / "dbt_project.yml"
    settings.write_text(MODEL_PATHS + settings.read_text(encoding="utf-8"), encoding="utf-8")
    for name, text in OWN_TICKETS.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def definitions(project: Path) -> dict[str, dict]:
    """Return the metrics, semantic models and saved queries that dbt parsed last, by name.

    Measures aren't among them, because dbt 2 has none.
    """
    path = project / "target" / "semantic_manifest.json"
    semantics = in_one_form(json.loads(path.read_text(encoding="utf-8")))
    models = semantics["semantic_models"]
    return {
        **{f"metric {one['name']}": _metric(one, models) for one in semantics["metrics"]},
        **{f"semantic model {one['name']}": _model(one) for one in models},
        **{
            f"saved query {one['name']}": {
                **_described(one),
                "query": one["query_params"],
                "exports": [(export["name"], export["config"]) for export in one["exports"]],
            }
            for one in semantics["saved_queries"]
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

"""Metrics mean the same in the manifests of both dbts and for other tools, or they are left out."""

from copy import deepcopy

import pytest

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.manifests import in_one_form
from voice_ai_analytics.metrics.definitions import Component, aggregation, ratio
from voice_ai_analytics.metrics.osi import osi_document

NAMED = {"label": "A label", "description": "In words.", "filter": None}
MODEL = {
    "name": "calls",
    "node_relation": {"alias": "fact_calls", "relation_name": '"d"."s"."fact_calls"'},
    "description": "Calls.",
    "entities": [{"name": "call", "type": "primary", "expr": "call_key"}],
    "dimensions": [{"name": "channel", "type": "categorical", "expr": None}],
    "measures": [],
}
TURNS = MODEL | {
    "name": "turns",
    "node_relation": {"alias": "fact_turns", "relation_name": '"d"."s"."fact_turns"'},
    "entities": [{"name": "call", "type": "foreign", "expr": "call_key"}],
    "dimensions": [],
}


def simple(name: str, expr: str | None, model: str = "calls", **given) -> dict:
    """Return a metric as dbt 2 writes it."""
    params = {"semantic_model": model, "agg": "sum", "agg_params": None, "expr": expr} | given
    params |= {"non_additive_dimension": None}
    own = {"measure": None, "metric_aggregation_params": params, "expr": expr}
    return {**NAMED, "name": name, "type": "simple", "type_params": own}


def one_of(name: str, **given) -> dict:
    return {"name": name, "alias": None, "filter": None, "offset_window": None} | given


def over(name: str, numerator: str, denominator: str) -> dict:
    sides = {"numerator": one_of(numerator), "denominator": one_of(denominator)}
    return {**NAMED, "name": name, "type": "ratio", "type_params": {"metrics": None, **sides}}


def from_others(name: str, expr: str, *inputs: dict) -> dict:
    params = {"expr": expr, "metrics": list(inputs)}
    return {**NAMED, "name": name, "type": "derived", "type_params": params}


def saved(name: str, *metrics: str) -> dict:
    return {"name": name, "query_params": {"metrics": list(metrics)}}


DBT_2 = {
    "semantic_models": [MODEL],
    "metrics": [
        simple("done", "case when is_done then 1 else 0 end"),
        simple("calls", "1"),
        over("done_rate", "done", "calls"),
        simple("turns", "turn_count", model="turns"),
        over("turns_per_call", "turns", "calls"),
        from_others("twice", "t * 2", one_of("turns_per_call", alias="t")),
    ],
    "saved_queries": [saved("about_calls", "calls"), saved("about_turns", "calls", "twice")],
}
MEASURE = {
    "name": "done_measure",
    "agg": "sum",
    "expr": "case when is_done then 1 else 0 end",
    "agg_params": None,
    "non_additive_dimension": None,
}
USED = {"name": "done_measure", "filter": None, "join_to_timespine": False, "fill_nulls_with": None}
DONE_OF_DBT_1 = {**NAMED, "name": "done", "type": "simple", "type_params": {"measure": USED}}


def names(manifest: dict, kind: str) -> list[str]:
    return [entry["name"] for entry in manifest[kind]]


def test_what_has_no_semantic_model_is_left_out_with_what_is_made_of_it():
    found = in_one_form(DBT_2)
    assert names(found, "metrics") == ["done", "calls", "done_rate"]
    assert names(found, "saved_queries") == ["about_calls"]


def test_the_manifest_has_its_entries_by_id():
    by_id = {
        kind: {f"{kind}.{entry['name']}": entry for entry in entries}
        for kind, entries in DBT_2.items()
    }
    found = in_one_form(by_id | {"nodes": {}})
    assert [*found["metrics"]] == ["metrics.done", "metrics.calls", "metrics.done_rate"]
    assert [*found["saved_queries"]] == ["saved_queries.about_calls"]
    assert found["nodes"] == {}


def test_a_percentile_is_what_its_yaml_says():
    given = {"percentile": 0.949999988079071}
    metric = simple("p95", "latency", agg="percentile", agg_params=given)
    (found,) = in_one_form({"semantic_models": [MODEL], "metrics": [metric]})["metrics"]
    assert aggregation(found, [MODEL]).options == {"percentile": 0.95}


def test_a_metric_of_dbt_1_is_its_measure():
    of_dbt_1 = aggregation(DONE_OF_DBT_1, [MODEL | {"measures": [MEASURE]}])
    of_dbt_2 = aggregation(DBT_2["metrics"][0], [MODEL])
    assert of_dbt_1.semantic_model["name"] == of_dbt_2.semantic_model["name"] == "calls"
    assert vars(of_dbt_1) | {"semantic_model": MODEL} == vars(of_dbt_2)


def test_a_ratio_has_the_components_that_dbt_2_wrote():
    found = ratio(in_one_form(DBT_2), "done_rate")
    assert found.numerator == Component(
        "done", "sum", "case when is_done then 1 else 0 end", "fact_calls"
    )
    assert found.denominator == Component("calls", "sum", "1", "fact_calls")


def test_a_filter_makes_it_no_plain_ratio():
    filtered = deepcopy(DBT_2)
    condition = {"where_sql_template": "{{ Dimension('call__channel') }} = 'voice'"}
    filtered["metrics"][0]["filter"] = {"where_filters": [condition]}
    with pytest.raises(UserError, match="a filter belongs to its definition"):
        ratio(in_one_form(filtered), "done_rate")


VOICE = {"where_filters": [{"where_sql_template": "{{ Dimension('call__channel') }} = 'voice'"}]}
OF_TURN = {"where_filters": [{"where_sql_template": "{{ Dimension('turn__speaker') }} = 'user'"}]}
GONE = {
    "cumulative": {**NAMED, "name": "m", "type": "cumulative", "type_params": {}},
    "private": {**NAMED, "name": "m", "type": "simple", "type_params": {"is_private": True}},
    "week": from_others(
        "m", "a - b", one_of("calls", alias="a"), one_of("calls", alias="b", offset_window="7 d")
    ),
    "two tables": over("m", "turns", "calls"),
    "another table": from_others("m", "a", one_of("calls", alias="a", filter=OF_TURN)),
    "no key": simple("m", "1", model="turns"),
    "unreadable": simple("m", "case when"),
}


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("cumulative", "is a cumulative metric"),
        ("private", "is private"),
        ("week", "compares one time with another"),
        ("two tables", "is over several tables, whose rows a join would repeat"),
        ("another table", "filters by turn__speaker, of another table"),
        ("no key", "counts the rows of a table without a primary key"),
        ("unreadable", "has an expression that can't be read: case when"),
    ],
)
def test_a_metric_that_one_expression_cannot_mean_is_left_out_of_an_export(which, reason):
    metrics = [one for one in DBT_2["metrics"] if one["type"] == "simple"]
    semantics = {"semantic_models": [MODEL, TURNS], "metrics": [*metrics, GONE[which]]}
    document, left_out = osi_document(semantics, "calls")
    assert left_out == {"m": reason}
    (model,) = document["semantic_model"]
    assert names(model, "metrics") == ["calls", "done", "turns"]


def test_a_filtered_distinct_count_is_null_where_no_row_passes():
    counted = simple("callers", "caller", agg="count_distinct")
    voice = from_others("m", "a", one_of("callers", alias="a", filter=VOICE))
    document, _ = osi_document({"semantic_models": [MODEL], "metrics": [counted, voice]}, "calls")
    (model,) = document["semantic_model"]
    (found,) = (one for one in model["metrics"] if one["name"] == "m")
    assert found["expression"]["dialects"][0]["expression"] == (
        "CASE WHEN COUNT(CASE WHEN (fact_calls.channel = 'voice') THEN 1 END) > 0"
        " THEN COUNT(DISTINCT CASE WHEN (fact_calls.channel = 'voice')"
        " THEN fact_calls.caller END) END"
    )

"""Dashboards show metrics and define none: their files against the manifest and its exposures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from consumer import REPOSITORY
from dashboards import TOOLS, Catalog, Dashboards, metrics_typed_into_models

# The smallest possible dashboard of each tool.
MANIFEST = {
    "metrics": {name: {"name": name} for name in ("voice_ai_sessions", "voice_ai_completion_rate")},
    "nodes": {
        "model.builds": {
            "name": "voice_ai_builds",
            "package_name": "voice_ai_analytics",
            "resource_type": "model",
            "config": {"meta": {"voice_ai_certified": True}},
            "columns": {"build_id": {}, "certified_at": {}},
        },
        "model.candidate": {
            "name": "int_voice_ai__sessions_candidate",
            "package_name": "voice_ai_analytics",
            "resource_type": "model",
            "config": {},
            "columns": {"session_key": {}},
        },
    },
    "saved_queries": {
        "saved_query.overview": {
            "query_params": {
                "metrics": ["voice_ai_sessions", "voice_ai_completion_rate"],
                "group_by": [
                    "TimeDimension('metric_time', 'week')",
                    "Dimension('voice_ai_session__channel')",
                ],
            },
            "exports": [{"name": "voice_ai_overview"}],
        }
    },
}
FILES = {
    "superset": {
        "datasets/overview.yaml": """
            uuid: d1
            table_name: voice_ai_overview
            columns:
              - column_name: metric_time__week
              - column_name: channel
                expression: "coalesce(voice_ai_session__channel, 'not known')"
            metrics:
              - metric_name: voice_ai_completion_rate
                expression: CASE WHEN COUNT(*) = 1 THEN MAX(voice_ai_completion_rate) END
        """,
        "charts/completion.yaml": """
            uuid: c1
            dataset_uuid: d1
            params:
              x_axis: metric_time__week
              metrics: [voice_ai_completion_rate]
              groupby: [channel]
              rolling_type: None
              adhoc_filters:
                - {clause: WHERE, expressionType: SIMPLE, subject: channel, comparator: (all)}
                - clause: WHERE
                  expressionType: SQL
                  sqlExpression: voice_ai_completion_rate is not null or is_suppressed
        """,
        "dashboards/overview.yaml": """
            dashboard_title: Overview
            position:
              DASHBOARD_VERSION_KEY: v2
              CHART-1: {type: CHART, meta: {uuid: c1}}
        """,
    },
    "lightdash": {
        "charts/completion.yml": """
            slug: completion
            tableName: fact_voice_ai_sessions
            metricQuery:
              metrics: [fact_voice_ai_sessions_voice_ai_completion_rate]
              tableCalculations: []
        """,
        "dashboards/overview.yml": """
            name: Overview
            tiles:
              - {type: markdown, properties: {}}
              - {type: saved_chart, properties: {chartSlug: completion}}
        """,
    },
    "metabase": {
        "completion.yaml": """
            entity_id: c1
            type: question
            serdes/meta: [{model: Card}]
            dataset_query:
              stages:
                - lib/type: mbql.stage/native
                  native: |
                    select
                        metric_time__week,
                        voice_ai_completion_rate
                    from demo_voice_ai.voice_ai_overview
                    where
                        coalesce(voice_ai_session__channel, 'not known') = {{channel}}
                        and not is_suppressed
                        and voice_ai_completion_rate is not null
                        [[and {{time}}]]
                    order by metric_time__week
        """,
        "overview.yaml": """
            name: Overview
            serdes/meta: [{model: Dashboard}]
            dashcards: [{card_id: null}, {card_id: c1}]
        """,
    },
}


def read(tool: str, folder: Path, old: str = "", new: str = "") -> Dashboards:
    """Write a tool's small dashboard, changed in one place, and read it."""
    for name, text in FILES[tool].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text)
    if old:
        assert any(old in text for text in FILES[tool].values())
    return TOOLS[tool](folder, Catalog(MANIFEST))


@pytest.fixture(scope="module")
def shown(manifest) -> dict[str, Dashboards]:
    """Read the dashboards of every tool."""
    catalog = Catalog(manifest)
    return {tool: reader(REPOSITORY / "bi" / tool, catalog) for tool, reader in TOOLS.items()}


def exposed(manifest: dict) -> dict[str, set[str]]:
    """Return the metrics of exposures, by dashboard title."""
    found: dict[str, set[str]] = {}
    for node in manifest["exposures"].values():
        named = found.setdefault(node["label"], set())
        for parent in node["depends_on"]["nodes"]:
            kind, _, name = parent.split(".")
            if kind == "metric":
                named.add(name)
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_dashboards_compute_nothing_and_show_what_exists(shown, tool) -> None:
    assert shown[tool].mistakes == []


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_every_dashboard(manifest, shown, tool) -> None:
    assert sorted(shown[tool].metrics) == sorted(exposed(manifest))


def test_exposures_name_the_metrics_that_are_shown(manifest, shown) -> None:
    for title, names in exposed(manifest).items():
        of_tools = set().union(*(dashboards.metrics[title] for dashboards in shown.values()))
        told = f"{title}: not in the exposure {of_tools - names}; not shown {names - of_tools}"
        assert of_tools == names, told


def test_exposures_have_an_owner_and_models(manifest) -> None:
    for node in manifest["exposures"].values():
        assert node["owner"]["name"] == "Analytics engineering"
        assert any(parent.startswith("model.") for parent in node["depends_on"]["nodes"])


@pytest.mark.parametrize(
    ("variables", "count"),
    [({"voice_ai_semantic_models": False}, 0), ({"voice_ai_fact_turns": False}, 7)],
)
def test_exposures_come_and_go_with_what_they_show(consumer, variables, count) -> None:
    made = consumer("metrics", "duckdb")
    made.dbt("--warn-error", "parse", "--vars", json.dumps(variables))
    text = (made.directory / "target" / "manifest.json").read_text(encoding="utf-8")
    assert len(json.loads(text)["exposures"]) == count


def test_no_model_has_a_metric_typed_into_its_meta(manifest) -> None:
    assert metrics_typed_into_models(manifest) == []
    typed = {"metrics": {"my_rate": {"type": "number"}}}
    column = {"name": "a", "columns": {"b": {"config": {"meta": typed}}}}
    assert metrics_typed_into_models({"nodes": {"model.a": column}}) == ["a"]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_dashboard_that_only_shows_is_fine(tmp_path, tool) -> None:
    found = read(tool, tmp_path)
    assert found.mistakes == []
    assert found.metrics == {"Overview": {"voice_ai_completion_rate"}}


PICKED = "CASE WHEN COUNT(*) = 1 THEN MAX(voice_ai_completion_rate) END"
SELECTED = "    voice_ai_completion_rate\n"


@pytest.mark.parametrize(
    ("tool", "old", "new", "told"),
    [
        ("superset", PICKED, "AVG(voice_ai_completion_rate)", "voice_ai_completion_rate is AVG("),
        ("superset", PICKED, "MAX(voice_ai_completion_rate)", "picks it"),
        ("superset", PICKED, PICKED.replace(" END", " ELSE 0 END"), "picks it"),
        ("superset", PICKED, PICKED.replace("completion_rate", "sessions"), "picks it"),
        ("superset", "voice_ai_completion_rate", "voice_ai_completed", "no column voice_ai_comp"),
        ("superset", "voice_ai_overview", "int_voice_ai__sessions_candidate", "is no exported"),
        (
            "superset",
            "table_name: voice_ai_overview",
            "table_name: mine\nsql: select 1",
            "mine is a query",
        ),
        (
            "superset",
            "coalesce(voice_ai_session__channel, 'not known')",
            "voice_ai_completion_rate * 100",
            "computes with a metric",
        ),
        (
            "superset",
            "metrics: [voice_ai_completion_rate]",
            "metrics: [{expressionType: SIMPLE, aggregate: AVG, column: {}}]",
            "a metric of the chart's own",
        ),
        (
            "superset",
            "clause: WHERE\n",
            "clause: HAVING\n",
            "a metric of the chart's own",
        ),
        ("superset", "is not null", "> (select avg(1))", "AVG(1) computes"),
        ("superset", "rolling_type: None", "rolling_type: mean", "rolling_type: mean computes"),
        ("superset", "rolling_type: None", "show_totals: true", "show_totals: True computes"),
        ("superset", "rolling_type: None", "compare_lag: 1", "compare_lag: 1 computes"),
        ("superset", "groupby: [channel]", "groupby: [language]", "no column language"),
        (
            "superset",
            "metrics: [voice_ai_completion_rate]",
            "metrics: [voice_ai_sessions]",
            "no metric voice_ai_sessions",
        ),
        ("lightdash", "voice_ai_completion_rate]", "voice_ai_completed]", "is no metric"),
        (
            "lightdash",
            "tableCalculations: []",
            "tableCalculations: [{name: double, sql: '1 * 2'}]",
            "tableCalculations: [{",
        ),
        (
            "lightdash",
            "tableCalculations: []",
            "additionalMetrics: [{name: mine, type: average}]",
            "additionalMetrics: [{",
        ),
        ("lightdash", "slug: completion", "slug: completion\nsql: select 1", "a chart of SQL"),
        (
            "lightdash",
            "slug: completion",
            "slug: completion\nchartConfig: {config: {showSubtotals: true}}",
            "showSubtotals: True computes",
        ),
        (
            "metabase",
            "type: question",
            "type: question\nvisualization_settings: {stackable.stack_type: normalized}",
            "normalized computes",
        ),
        ("metabase", SELECTED, "    avg(voice_ai_completion_rate)\n", "AVG("),
        ("metabase", SELECTED, "    voice_ai_completion_rate * 100 as share\n", "with a metric"),
        ("metabase", SELECTED, "    voice_ai_completion_rate as share\n", "with a metric"),
        ("metabase", SELECTED, "    count(*) over (), 1\n", "OVER"),
        ("metabase", SELECTED, "    voice_ai_completed\n", "no column voice_ai_completed"),
        ("metabase", "order by", "group by metric_time__week order by", "GROUP BY"),
        ("metabase", "demo_voice_ai.voice_ai_overview", "raw.sessions", "sessions: no exported"),
        ("metabase", "type: question", "type: metric", "a metric, no question"),
        ("metabase", "mbql.stage/native", "mbql.stage/mbql", "a question without SQL"),
        ("metabase", "{model: Dashboard}", "{model: Measure}", "a Measure, which can define"),
    ],
)
def test_a_dashboard_that_computes_is_found(tmp_path, tool, old, new, told) -> None:
    # Indent the lines that a change adds as the files are.
    mistakes = read(tool, tmp_path, old, new.replace("\n", "\n" + " " * 12).rstrip(" ")).mistakes
    assert any(told in mistake for mistake in mistakes), mistakes


def test_a_dashboard_without_its_metric_is_another(tmp_path) -> None:
    found = read("metabase", tmp_path, SELECTED, "    voice_ai_sessions\n")
    assert found.metrics == {"Overview": {"voice_ai_sessions"}}

"""Metrics where there is no mf: from manifests of dbt 2, without dbt, and in other tools."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import yaml
from consumer import ENGINES, Consumer
from metricflow.converters.models import OSIDocument
from semantics import OWN_METRICS, VOICE_AI_WITHOUT_DBT, WITHOUT_DBT, add_own_metrics

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import MetricCompiler

DOORS = f"""{WITHOUT_DBT}
import asyncio, json
from pathlib import Path
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.query import MetricQuery
from voice_ai_analytics.serving import mcp_server, serve, service
served = service.MetricService(DbtProject(Path(".")))
app = serve.create_app(served, {{}})
tools = asyncio.run(mcp_server.create_server(served).list_tools())
rows = served.query(MetricQuery(metrics=("voice_ai_completion_rate",))).to_pylist()
print(json.dumps([len(app.routes) > 0, len(tools) > 0, served.health()["status"], rows]))
"""
LEFT_OUT = {
    "voice_ai_abandonment_rate_change_wow": "compares one time with another",
    "voice_ai_weekly_active_users": "doesn't add up over time",
}


@pytest.fixture(scope="module", params=ENGINES)
def project(request, metrics_seed) -> Consumer:
    """Return the package built over the seed of test_metrics."""
    return metrics_seed(request.param)


def compiler_of(project: Consumer, monkeypatch: pytest.MonkeyPatch) -> MetricCompiler:
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return MetricCompiler(DbtProject(project.directory))


def test_query_and_exports_answer_without_dbt(project, tmp_path) -> None:
    question = ("--metrics", "voice_ai_completion_rate", "--group-by", "voice_ai_session__channel")
    found = tmp_path / "found.json"
    project.command("python", "-c", VOICE_AI_WITHOUT_DBT, "query", *question, "--json", str(found))
    rows = json.loads(found.read_text(encoding="utf-8"))["rows"]
    expected = project.mf(*question)
    assert {row["voice_ai_session__channel"]: row["voice_ai_completion_rate"] for row in rows} == {
        row["voice_ai_session__channel"]: float(row["voice_ai_completion_rate"]) for row in expected
    }
    told = project.command("python", "-c", VOICE_AI_WITHOUT_DBT, "export-metrics").stdout
    assert "voice_ai_overview" in told


def test_the_service_and_mcp_answer_without_dbt(project) -> None:
    told = project.command("python", "-c", DOORS).stdout
    assert json.loads(told) == [True, True, "ok", [{"voice_ai_completion_rate": 4 / 9}]]


@pytest.fixture(scope="module")
def exported(project) -> dict:
    """Return the semantic model for other tools."""
    told = project.command("voice-ai", "export-semantics", "--output", "exported.yml").stdout
    for name, reason in LEFT_OUT.items():
        assert f"{name} is left out: it {reason}" in told
    text = (project.directory / "exported.yml").read_text(encoding="utf-8")
    assert all(f"# Left out: {name} {reason}." in text for name, reason in LEFT_OUT.items())
    return yaml.safe_load(text)


def test_the_export_has_every_metric_but_those_that_it_names(project, exported) -> None:
    (model,) = exported["semantic_model"]
    written = {metric["name"] for metric in model["metrics"]}
    path = project.directory / "target" / "semantic_manifest.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    assert {metric["name"] for metric in metrics} - written == LEFT_OUT.keys()


def test_the_export_is_what_dbt_reads_of_the_format(exported) -> None:
    read = json.loads(OSIDocument.parse_obj(exported).to_osi_json())
    assert read == exported


def answers(project: Consumer, statement: str) -> dict:
    """Return the last column of a query by the one before it, or by None."""
    rows = [(None, *row)[-2:] for row in project.rows(statement)]
    return {key: None if value is None else float(value) for key, value in rows}


def test_each_exported_expression_returns_what_metricflow_does(
    project, exported, monkeypatch
) -> None:
    """Over its own table, and grouped by a dimension that a relationship joins to it."""
    compiler = compiler_of(project, monkeypatch)
    (model,) = exported["semantic_model"]
    sources = {dataset["name"]: dataset["source"] for dataset in model["datasets"]}
    joins = {one["from"]: one for one in model["relationships"]}
    sessions = "fact_voice_ai_sessions"
    not_zero = 0
    for metric in model["metrics"]:
        (expression,) = (one["expression"] for one in metric["expression"]["dialects"])
        (table,) = (one for one in sources if f"{one}." in expression)
        read = f"{sources[table]} as {table}"
        if table != sessions:
            (foreign,), (key,) = joins[table]["from_columns"], joins[table]["to_columns"]
            read += f" left join {sources[sessions]} as {sessions}"
            read += f" on {table}.{foreign} = {sessions}.{key}"
        channel = f"{sessions}.channel"
        total = answers(project, f"select {expression} from {read}")
        found = answers(project, f"select {channel}, {expression} from {read} group by 1")
        name = metric["name"]
        assert total == pytest.approx(answers(project, compiler.compile([name]))), name
        statement = compiler.compile([name], ["voice_ai_session__channel"])
        assert found == pytest.approx(answers(project, statement)), name
        not_zero += any(found.values())
    # Zeros and nulls would prove little.
    assert not_zero > 50


def test_a_consumers_metrics_over_our_entity_and_our_metrics(metrics_seed, tmp_path) -> None:
    """In dbt 1's form; compatibility.py does the same in dbt 2's."""
    built = metrics_seed("duckdb")
    shutil.copytree(built.directory, tmp_path / "project", symlinks=True)
    made = replace(built, directory=tmp_path / "project")
    add_own_metrics(made.directory)
    made.dbt("run", "--select", "tickets")
    rows = made.mf("--metrics", ",".join(OWN_METRICS), "--group-by", "voice_ai_session__channel")
    # Two of seven sessions on voice and one of two on ivr were abandoned, none of three on chat.
    found = {row["voice_ai_session__channel"]: row for row in rows}
    assert {name: row["tickets"] for name, row in found.items()} == {
        "voice": "2",
        "ivr": "1",
        "chat": "",
    }
    assert float(found["voice"]["tickets_per_session"]) == pytest.approx(2 / 7)
    assert float(found["ivr"]["tickets_per_session"]) == 1 / 2

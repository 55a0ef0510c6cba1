"""Commands that hand out metrics: query, export-metrics, serve, mcp, export-semantics and more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voice_ai_analytics.commands.shared import (
    AsOf,
    ProfilesDir,
    ProjectDir,
    ResultFile,
    Target,
    console,
    print_line,
)

MaxRows = Annotated[int, typer.Option(min=1, help="The most rows per answer.")]
Suppress = Annotated[
    bool,
    typer.Option(
        "--suppress",
        help="Hide groups of fewer users than the var voice_ai_min_cohort_size, and groups that"
        " differ by fewer from one that was told before.",
    ),
]
Timeout = Annotated[float, typer.Option(min=0.1, help="The most seconds per query.")]


def query(
    metrics: Annotated[
        str, typer.Option(help="Names, separated by commas; mf list metrics lists them.")
    ],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    group_by: Annotated[
        str, typer.Option(help="Dimensions, separated by commas, such as metric_time__week.")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(help="A condition: voice_ai_session__channel = 'voice'. Can be repeated."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First day of metric_time, such as 2026-03-01, UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Last day of metric_time, UTC.")] = None,
    as_of: AsOf = None,
    csv: Annotated[Path | None, typer.Option(help="A CSV file for the rows.")] = None,
    output: ResultFile = None,
) -> None:
    """Query certified metrics, now or as they were known on a day.

    The numbers are those of mf query; small groups aren't suppressed. History is kept of sessions,
    so metrics of turns, word errors and changes have no --as-of.
    """
    import json

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.files import whole_file
    from voice_ai_analytics.history.query import metric_query, query_metrics, render

    question = metric_query(metrics, group_by, where or (), start, end)
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with (
        console.status("Querying"),
        whole_file(csv) as table,
        whole_file(output, unlike=csv) as document,
    ):
        answer = query_metrics(project, question, as_of)
        if csv:
            table.write(answer.to_csv())
        if output:
            document.write(json.dumps(answer.to_json(), indent=2, ensure_ascii=False) + "\n")
    if not (csv or output):
        render(answer, console)
    for path in filter(None, (csv, output)):
        print_line(f"{path}: {answer.verdict}")


def export_metrics(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    saved_query: Annotated[
        list[str] | None,
        typer.Option("--saved-query", help="Only this one; can be repeated. [default: all]"),
    ] = None,
) -> None:
    """Write the exports of saved queries as certified tables, with small cohorts suppressed."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.metrics import exports
    from voice_ai_analytics.metrics.compiler import MetricCompiler
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Exporting metrics"):
        written = exports.export_metrics(
            project, MetricCompiler(project), Warehouse(project), saved_query or ()
        )
    for one in written:
        print_line(f"{one.relation}: {one.rows:,} rows, {one.suppressed_rows:,} of them suppressed")
    print_line(f"All from build {written[0].build}.")


def serve(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8000,
    max_rows: MaxRows = 10_000,
    timeout: Timeout = 30,
    concurrency: Annotated[int, typer.Option(min=1, help="The most queries at once.")] = 4,
    suppress: Suppress = False,
) -> None:
    """Serve certified metrics over HTTP.

    VOICE_AI_API_KEYS holds the keys: name=key,other=key. Name a --target whose user can only read,
    such as voice_ai_certified_reader.
    """
    import os

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.serving import serve as server
    from voice_ai_analytics.serving.service import Limits, MetricService

    server.api_keys(os.environ.get(server.KEYS))
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Loading the metrics"):
        limits = Limits(rows=max_rows, seconds=timeout, concurrent=concurrency)
        service = MetricService(project, limits, suppress)
    print_line(f"Metrics at http://{host}:{port}, their description at http://{host}:{port}/docs")
    server.serve(service, host, port)


def mcp(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    max_rows: MaxRows = 1000,
    timeout: Timeout = 30,
    suppress: Suppress = False,
) -> None:
    """Serve certified metrics to a language model, as an MCP server over standard input/output."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.serving.mcp_server import create_server
    from voice_ai_analytics.serving.service import Limits, MetricService

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    limits = Limits(rows=max_rows, seconds=timeout)
    create_server(MetricService(project, limits, suppress)).run("stdio")


def export_semantics(
    output: Annotated[Path, typer.Option(help="The YAML file.")],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Write tables, keys, dimensions and metrics for other tools, in the OSI format (Apache Ossie).

    A metric whose meaning one SQL expression can't carry, such as a change from week to week, is
    left out and named. The tools read the certified tables; small groups aren't suppressed.
    """
    import yaml

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.files import whole_file
    from voice_ai_analytics.metrics.osi import osi_document

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    name = project.manifest["metadata"]["project_name"]
    with whole_file(output) as file:
        document, left_out = osi_document(project.semantics, name)
        file.writelines(f"# Left out: {name} {reason}.\n" for name, reason in left_out.items())
        yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True, width=100)
    for name, reason in left_out.items():
        print_line(f"{name} is left out: it {reason}")
    written = len(document["semantic_model"][0]["metrics"])
    print_line(f"{output}: {written} of {written + len(left_out)} metrics")


def lightdash_manifest(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Write what lightdash deploy reads: certified models and every metric that dashboards show.

    Run it after dbt build, then lightdash deploy --skip-dbt-compile --target-path target/lightdash.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.metrics.lightdash import write_manifest

    directory = write_manifest(DbtProject(project_dir.resolve(), profiles_dir, target))
    print_line(f"lightdash deploy --skip-dbt-compile --target-path {directory}")

"""The voice-ai command."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from voice_ai_analytics.errors import UserError

# Commands import what they need: statistics and plots take seconds to load, help should not.

app = typer.Typer(
    help="What SQL cannot do for conversational-AI session data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()

ProjectDir = Annotated[
    Path, typer.Option("--project-dir", help="The dbt project that installs the package.")
]
ProfilesDir = Annotated[
    Path | None,
    typer.Option("--profiles-dir", help="Where profiles.yml is, unless dbt finds it."),
]
Target = Annotated[str | None, typer.Option("--target", help="The dbt target, if not the default.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="Sessions as they were known at the end of this day, or at this instant (UTC where no"
        " zone is given); what stands beside the fact is left as it is."
    ),
]


class Engine(StrEnum):
    """The engines that the demo runs on."""

    duckdb = "duckdb"
    postgres = "postgres"


def main() -> None:
    """Run the command; a user's mistake becomes one line and an exit code, never a traceback."""
    try:
        app()
    except UserError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"voice-ai: {error}", markup=False
        )
        sys.exit(error.exit_code)


def progress_bar() -> Progress:
    """Give a progress bar that also tells a log file what is going on."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    )


@app.command()
def simulate(
    output: Annotated[Path, typer.Option(help="The directory to write to.")],
    sessions: Annotated[int, typer.Option(help="How many sessions.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    null_effects: Annotated[
        bool, typer.Option("--null-effects", help="Let nothing influence abandonment.")
    ] = False,
) -> None:
    """Write five CSV files of a simulated deployment, asr_references.csv, and truth.json."""
    from voice_ai_analytics.simulate import simulate as write_simulation

    with progress_bar() as bar:
        task = bar.add_task("Simulating sessions", total=max(sessions, 1))
        truth = write_simulation(
            output,
            sessions,
            seed,
            null_effects=null_effects,
            progress=lambda done: bar.update(task, completed=done),
        )
    console.print(f"{output}: {truth['parameters']['sessions']:,} sessions", highlight=False)


@app.command()
def load(
    raw: Annotated[Path, typer.Option(help="The directory with the five CSV files.")],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Load a deployment's five CSV files into the schema voice_ai_raw, all of them or none."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

    _load(raw, Warehouse(DbtProject(project_dir.resolve(), profiles_dir, target)))


def _load(raw: Path, warehouse) -> None:
    from voice_ai_analytics.load import RAW_TABLES
    from voice_ai_analytics.load import load as load_files

    with progress_bar() as bar:
        task = bar.add_task("Loading raw files", total=len(RAW_TABLES))

        def show(table: str) -> None:
            bar.update(task, description=f"Loading {table}.csv", advance=1)

        result = load_files(raw, warehouse, show)
        bar.update(task, description="Loaded raw files", completed=len(RAW_TABLES))
    if result.is_unchanged:
        console.print(f"{raw}: loaded before and unchanged, nothing to do.", highlight=False)
        return
    rows = ", ".join(f"{result.rows[table]:,} {table}" for table in RAW_TABLES)
    console.print(f"Loaded {rows}.", highlight=False)
    if result.unreadable_lines:
        console.print(
            f"{result.unreadable_lines:,} lines are no CSV records of their file's columns;"
            " they are kept in voice_ai_raw.unreadable_lines.",
            highlight=False,
        )


@app.command()
def deps(project_dir: ProjectDir = Path(".")) -> None:
    """Install a project's dbt packages: from dbt Hub, or else the stand-ins of this repository."""
    from voice_ai_analytics.dbt_project import DbtProject, install_packages

    console.print(install_packages(DbtProject(project_dir.resolve()).directory), highlight=False)


def _tell(analysis: str, result, output: Path | None, *closing: str) -> None:
    """Print a result, what else there is to say, and where it was written; exit as it says."""
    from voice_ai_analytics.pipeline import print_result

    print_result(analysis, result, console)
    for line in (*closing, *([f"Result: {output}"] if output else [])):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _known(as_of: str | None) -> list[str]:
    """Say of when a result is, unless it is of now."""
    from voice_ai_analytics.history.as_of import as_of_moment, told

    if as_of is None:
        return []
    return [f"Sessions as known on {told(as_of_moment(as_of))}; no table was written."]


@app.command("fit-abandonment")
def fit_abandonment(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    k: Annotated[
        int,
        typer.Option(
            "--k", min=1, max=1000, help="How many of a session's first user turns to look at."
        ),
    ] = 3,
    include_after_the_fact: Annotated[
        bool,
        typer.Option(
            "--include-after-the-fact",
            help="Also use turn counts and duration, which the outcome decides; marked as such.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of cross-validation folds and bootstrap.")] = 0,
    as_of: AsOf = None,
    output: Annotated[Path, typer.Option(help="The JSON file to write.")] = Path(
        "abandonment_model.json"
    ),
) -> None:
    """Estimate how session features are associated with abandonment, and say so if they are not.

    Beside that model: the user turn at which sessions are abandoned, transfers as an end of their
    own, gradient boosting, and what other openings and other targets find.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    options = {"k": k, "include_after_the_fact": include_after_the_fact, "seed": seed}
    with console.status("Fitting the abandonment model"):
        model = run_analysis("fit-abandonment", project, output, as_of, **options)
    _tell("fit-abandonment", model, output, *_known(as_of))


class Normalizer(StrEnum):
    """What is done to texts before they are compared."""

    none = "none"
    basic = "basic"
    whisper = "whisper"


@app.command("evaluate-asr")
def evaluate_asr(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A CSV, JSON Lines or Parquet file with the columns of asr_references, instead of"
            " the warehouse's. Without a dbt project here nothing is written to a warehouse.",
        ),
    ] = None,
    normalizer: Annotated[
        Normalizer,
        typer.Option(
            help="none: texts as they are; basic: lower case, no punctuation; whisper: as OpenAI's"
            " Whisper does for English, basic for other languages."
        ),
    ] = Normalizer.none,
    output: Annotated[
        Path | None, typer.Option("--json", help="The JSON file to write the result to.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstraps.")] = 0,
) -> None:
    """Count word errors against reference transcripts; word error rates and calibration, by group.

    The source table asr_word_errors then holds this evaluation and no other; the next dbt build
    certifies it for the metric voice_ai_word_error_rate.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = None
    if references is None or (project_dir / "dbt_project.yml").is_file():
        project = DbtProject(project_dir.resolve(), profiles_dir, target)
    options = {"references": references, "normalizer": normalizer.value, "seed": seed}
    with console.status("Comparing transcripts"):
        result = run_analysis("evaluate-asr", project, output, unlike=references, **options)
    closing = (
        "Word errors are in the warehouse; dbt build certifies them for voice_ai_word_error_rate."
    )
    closing = [closing] if project and not result.exit_code else []
    _tell("evaluate-asr", result, output, *closing)


@app.command("compare-asr")
def compare_asr(
    before: Annotated[str, typer.Option(help="The earlier release, a value of asr_model.")],
    after: Annotated[str, typer.Option(help="The later release, a value of asr_model.")],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    as_of: AsOf = None,
    output: Annotated[
        Path | None, typer.Option("--json", help="The JSON file to write the result to.")
    ] = None,
) -> None:
    """Estimate what an ASR release changed, at equal mix, and say so if nothing can be told.

    Completion, abandonment, transfer, error turns, and word errors where dbt build has certified
    those of evaluate-asr.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    options = {"before": before, "after": after}
    with console.status("Comparing releases"):
        result = run_analysis("compare-asr", project, output, as_of, **options)
    _tell("compare-asr", result, output, *_known(as_of))


@app.command()
def query(
    metrics: Annotated[str, typer.Option(help="Names with commas between; mf list metrics.")],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    group_by: Annotated[
        str, typer.Option(help="Dimensions with commas between: metric_time__week.")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(help="voice_ai_session__channel = 'voice'; may be given again."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First day of metric_time, such as 2026-03-01, UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Last day of metric_time, UTC.")] = None,
    as_of: AsOf = None,
    csv: Annotated[Path | None, typer.Option(help="The CSV file to write the rows to.")] = None,
    output: Annotated[
        Path | None, typer.Option("--json", help="The JSON file to write the answer to.")
    ] = None,
) -> None:
    """Query certified metrics, now or as they were known on a day; every group, as mf query.

    History is kept of sessions. Metrics of turns, word errors and changes have no --as-of.
    """
    import json

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.files import whole_file
    from voice_ai_analytics.history.query import metric_query, query_metrics, render

    question = metric_query(metrics, group_by, where or (), start, end)
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with (
        console.status("Asking"),
        whole_file(csv) as table,
        whole_file(output, unlike=csv) as document,
    ):
        answer = query_metrics(project, question, as_of)
        table.write(answer.to_csv())
        document.write(json.dumps(answer.to_json(), indent=2, ensure_ascii=False) + "\n")
    if not (csv or output):
        render(answer, console)
    for path in filter(None, (csv, output)):
        console.print(f"{path}: {answer.verdict}", highlight=False, soft_wrap=True)


@app.command()
def segment(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    output: Annotated[
        Path | None, typer.Option("--json", help="The JSON file to write the result to.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split of users in two halves.")] = 0,
    as_of: AsOf = None,
) -> None:
    """Compare cohorts, and find segments of sessions that also hold on users not looked at."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Looking for segments"):
        result = run_analysis("segment", project, output, as_of, seed=seed)
    _tell("segment", result, output, *_known(as_of))


@app.command()
def report(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    model: Annotated[
        Path | None, typer.Option(help="The JSON file of fit-abandonment, if there is one.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML file of certified metrics, with intervals."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import write_report

    if model is not None and not model.is_file():
        raise UserError(f"{model}: no such file; write it with voice-ai fit-abandonment")
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Writing the report"):
        write_report(project, model, output)
    console.print(f"Report: {output}", highlight=False)


@app.command("export-metrics")
def export_metrics(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    saved_query: Annotated[
        list[str] | None,
        typer.Option("--saved-query", help="Only this one; may be given again. [default: all]"),
    ] = None,
) -> None:
    """Write the exports of saved queries as tables beside the fact, small cohorts suppressed."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.metrics.compiler import MetricCompiler
    from voice_ai_analytics.metrics.exports import export_metrics as exports
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Exporting metrics"):
        written = exports(project, MetricCompiler(project), Warehouse(project), saved_query or ())
    for one in written:
        console.print(
            f"{one.relation}: {one.rows:,} rows, {one.suppressed_rows:,} of them suppressed",
            highlight=False,
            soft_wrap=True,
        )


MaxRows = Annotated[int, typer.Option(min=1, help="Most rows of an answer.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Most seconds of a query.")]


@app.command()
def serve(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8000,
    max_rows: MaxRows = 10_000,
    timeout: Timeout = 30,
    concurrency: Annotated[int, typer.Option(min=1, help="Most queries at once.")] = 4,
) -> None:
    """Serve certified metrics over HTTP, on an engine that is loaded once.

    VOICE_AI_API_KEYS holds the keys: name=key,other=key. Name a --target whose user can only read,
    such as voice_ai_certified_reader.
    """
    import os

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.serving.serve import KEYS, api_keys
    from voice_ai_analytics.serving.serve import serve as run
    from voice_ai_analytics.serving.service import Limits, MetricService

    api_keys(os.environ.get(KEYS))
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Loading the metrics"):
        service = MetricService(
            project, Limits(rows=max_rows, seconds=timeout, concurrent=concurrency)
        )
    console.print(
        f"Metrics at http://{host}:{port}, their description at http://{host}:{port}/docs",
        highlight=False,
        soft_wrap=True,
    )
    run(service, host, port)


@app.command()
def mcp(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    max_rows: MaxRows = 1000,
    timeout: Timeout = 30,
) -> None:
    """Serve certified metrics to a language model: an MCP server over standard input and output."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.serving.mcp_server import create_server
    from voice_ai_analytics.serving.service import Limits, MetricService

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    create_server(MetricService(project, Limits(rows=max_rows, seconds=timeout))).run("stdio")


@app.command("create-roles")
def create_roles(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    metrics_role: Annotated[
        str, typer.Option(help="The role that reads exported metrics.")
    ] = "voice_ai_metrics_reader",
    certified_role: Annotated[
        str, typer.Option(help="The role that reads all that is certified.")
    ] = "voice_ai_certified_reader",
) -> None:
    """Make PostgreSQL roles that can read exported metrics, or what is certified, and no more.

    Passwords come from VOICE_AI_METRICS_READER_PASSWORD and VOICE_AI_CERTIFIED_READER_PASSWORD.
    Run it as the user that runs dbt build, as often as you like.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.roles import create_roles as create
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    for reader in create(project, Warehouse(project), metrics_role, certified_role):
        console.print(
            f"{reader.role} can read, in {reader.schema}: {', '.join(reader.tables)}",
            highlight=False,
            soft_wrap=True,
        )


@app.command("lightdash-manifest")
def lightdash_manifest(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Write what lightdash deploy reads: certified models and all metrics that dashboards show.

    Run it after dbt build, then lightdash deploy --skip-dbt-compile --target-path target/lightdash.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.metrics.lightdash import write_manifest

    directory = write_manifest(DbtProject(project_dir.resolve(), profiles_dir, target))
    console.print(
        f"lightdash deploy --skip-dbt-compile --target-path {directory}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def demo(
    raw: Annotated[
        Path | None,
        typer.Option(
            help="A directory with your own five CSV files, instead of simulated ones, and"
            " asr_references.csv if there is one."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where everything is put.")] = Path("output"),
    sessions: Annotated[int, typer.Option(help="How many sessions to simulate.")] = 5000,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
    target: Annotated[Engine, typer.Option(help="The engine.")] = Engine.duckdb,
) -> None:
    """Do the whole job: raw files in; certified metrics, an honest model and a report out."""
    from voice_ai_analytics.demo import (
        DemoPaths,
        compare_releases_and_cohorts,
        evaluate_references,
        headline_table,
        model_and_report,
        prepare_project,
        target_environment,
    )
    from voice_ai_analytics.warehouse import Warehouse

    if raw is not None and not raw.is_dir():
        raise UserError(f"{raw}: no such directory; name one with the five CSV files")
    paths = DemoPaths(output.resolve())
    if raw is None:
        raw = paths.output / "raw"
        simulate(raw, sessions, seed)
    with progress_bar() as bar:
        bar.add_task("Installing dbt packages", total=None)
        project, note = prepare_project(paths)
    console.print(note, highlight=False)
    with target_environment(paths, target.value):
        _load(raw, Warehouse(project))
        with progress_bar() as bar:
            task = bar.add_task("Building and testing with dbt", total=None)
            project.run(
                "build", progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
        with progress_bar() as bar:
            bar.add_task("Evaluating speech recognition", total=None)
            evaluation = evaluate_references(project, paths, raw)
        with progress_bar() as bar:
            bar.add_task("Comparing releases and cohorts", total=None)
            compared = compare_releases_and_cohorts(project)
        with progress_bar() as bar:
            bar.add_task("Metrics, model and report", total=None)
            model, headlines = model_and_report(project, paths)
    console.print(headline_table(headlines))
    console.print(model.to_json()["verdict"], highlight=False)
    console.print()
    for verdict in ([evaluation.verdict] if evaluation else []) + compared:
        console.print(verdict, highlight=False, markup=False)
        console.print()
    for name, path in (
        ("Report", paths.report),
        ("Model", paths.model),
        ("DuckDB file" if target is Engine.duckdb else "PostgreSQL data", None),
        ("dbt project", paths.project),
    ):
        place = path or (paths.database if target is Engine.duckdb else paths.postgres)
        console.print(f"{name}: {place}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()

"""Commands that bring data and packages in: simulate, init, load, deps, demo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voice_ai_analytics.commands.shared import (
    ProfilesDir,
    ProjectDir,
    Target,
    console,
    print_line,
    print_warning,
    progress_bar,
)
from voice_ai_analytics.errors import UserError

if TYPE_CHECKING:
    from voice_ai_analytics.warehouse import Warehouse


class Engine(StrEnum):
    """The engines that the demo runs on."""

    duckdb = "duckdb"
    postgres = "postgres"


def simulate(
    output: Annotated[Path, typer.Option(help="The directory to write to.")],
    sessions: Annotated[int, typer.Option(help="How many sessions to simulate.")] = 5000,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed, the same bytes.")] = 1,
    null_effects: Annotated[
        bool, typer.Option("--null-effects", help="Let nothing influence abandonment.")
    ] = False,
    repeat_turn_ids: Annotated[
        bool,
        typer.Option(
            "--repeat-turn-ids",
            help="Number turns anew in each session (0, 1, ...), as most platforms do.",
        ),
    ] = False,
) -> None:
    """Write five CSV files of a simulated deployment, asr_references.csv, and truth.json."""
    from voice_ai_analytics.simulate import run

    with progress_bar() as bar:
        task = bar.add_task("Simulating sessions", total=max(sessions, 1))
        truth = run.simulate(
            output,
            sessions,
            seed,
            null_effects=null_effects,
            repeats_turn_ids=repeat_turn_ids,
            progress=lambda done: bar.update(task, completed=done),
        )
    print_line(f"{output}: {truth['parameters']['sessions']:,} sessions")


def load(
    platform: Annotated[
        str | None,
        typer.Argument(
            metavar="PLATFORM", help="Whose exports the files are, such as retell or transcripts."
        ),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders or globs of JSON or JSON Lines, also gzip; for transcripts, CSV or"
            " WebVTT, too.",
        ),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a platform: the directory with the demo's five CSV files, loaded into"
            " the schema voice_ai_raw, all of them or none."
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="The raw table, if not named after the platform.")
    ] = None,
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Load a platform's exports into its raw table, payloads unchanged and none twice.

    The table is in the schema of the var voice_ai_source_schema. Loading a file again adds only
    what is new in it. What can't be read is kept as text, and the build quarantines it.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

    if raw is not None:
        if platform or table:
            raise UserError("--raw: takes no platform and no --table; run the two one by one")
        _load(raw, Warehouse(DbtProject(project_dir.resolve(), profiles_dir, target)))
        return
    if not platform or not paths:
        raise UserError(
            f"{platform or 'load'}: name a platform and its files, such as voice-ai load retell"
            " calls/"
        )
    from voice_ai_analytics.payloads import load as loading
    from voice_ai_analytics.platforms import platform_named

    known = platform_named(platform)
    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with progress_bar() as bar:
        task = bar.add_task(f"Loading {known.title}", total=None)
        result = loading.load_payloads(
            project,
            known,
            paths,
            table,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    print_line(result.told)
    for line in result.warnings:
        print_warning(line)
    if not known.has_models:
        print_warning(
            f"The package doesn't read payloads of {known.title} yet: write input models over them"
        )
    elif known.name not in loading.switched_on(project):
        named = f"{{{known.name}: [{table}]}}" if table else known.name
        print_line(
            f"Next: under vars in dbt_project.yml, voice_ai_platforms: [{named}]; then dbt build"
        )


def _load(raw: Path, warehouse: Warehouse) -> None:
    from voice_ai_analytics import load as loading

    tables = loading.RAW_TABLES
    with progress_bar() as bar:
        task = bar.add_task("Loading raw files", total=len(tables))

        def show(table: str) -> None:
            bar.update(task, description=f"Loading {table}.csv", advance=1)

        result = loading.load(raw, warehouse, show)
        bar.update(task, description="Loaded raw files", completed=len(tables))
    if result.is_unchanged:
        print_line(f"{raw}: unchanged since the last load, nothing to do.")
        return
    print_line(f"Loaded {', '.join(f'{result.rows[table]:,} {table}' for table in tables)}.")
    if result.unreadable_lines:
        print_line(
            f"{result.unreadable_lines:,} lines aren't CSV records of their file's columns;"
            " they are kept in voice_ai_raw.unreadable_lines."
        )


def init(
    platforms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PLATFORM]...",
            help="Platforms whose exports you will load. Those that were loaded are found.",
        ),
    ] = None,
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Write what a dbt project lacks: packages.yml, vars, a profile, and models of your tables.

    Each column of the input contract is matched to the likeliest column of your tables, and the
    rest is marked TODO. A file of yours is never changed; what to add to it is told.
    """
    from voice_ai_analytics.starting.project import set_up

    done = set_up(project_dir.resolve(), platforms or (), profiles_dir, target)
    for file in done.written:
        print_line(f"wrote {file}")
    for left in done.left:
        print_line(f"left {left}")
    print_line(f"Next: {done.next}")


def deps(project_dir: ProjectDir = Path(".")) -> None:
    """Install a project's dbt packages: from dbt Hub, or else the stand-ins of this repository."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.packages import install_packages

    print_line(install_packages(DbtProject(project_dir.resolve()).directory))


def demo(
    raw: Annotated[
        Path | None,
        typer.Option(
            help="A directory with your own five CSV files, and asr_references.csv if you have it,"
            " instead of simulated ones."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="The directory for all results.")] = Path("output"),
    sessions: Annotated[int, typer.Option(help="How many sessions to simulate.")] = 5000,
    seed: Annotated[int, typer.Option(help="Random seed of the simulation.")] = 1,
    target: Annotated[Engine, typer.Option(help="The engine.")] = Engine.duckdb,
) -> None:
    """Run everything: raw files in; certified metrics, an honest model and a report out."""
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
        simulate(raw, sessions, seed, repeat_turn_ids=True)
    with progress_bar() as bar:
        bar.add_task("Installing dbt packages", total=None)
        project, note = prepare_project(paths)
    print_line(note)
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
    evaluated = [evaluation.verdict] if evaluation else []
    for verdict in (model.to_json()["verdict"], *evaluated, *compared):
        console.print(verdict, highlight=False, markup=False)
        console.print()
    database = ("DuckDB file", paths.database)
    if target is Engine.postgres:
        database = ("PostgreSQL data", paths.postgres)
    for name, path in (
        ("Report", paths.report),
        ("Model", paths.model),
        database,
        ("dbt project", paths.project),
    ):
        print_line(f"{name}: {path}")

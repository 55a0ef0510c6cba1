"""Commands about what the warehouse holds: create-roles, explain, reconcile, forget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voice_ai_analytics.commands.shared import (
    ProfilesDir,
    ProjectDir,
    ResultFile,
    Target,
    console,
    print_line,
)


def create_roles(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    metrics_role: Annotated[
        str, typer.Option(help="The role that reads exported metrics.")
    ] = "voice_ai_metrics_reader",
    certified_role: Annotated[
        str, typer.Option(help="The role that reads everything that is certified.")
    ] = "voice_ai_certified_reader",
) -> None:
    """Create PostgreSQL roles that can read exported metrics, or certified tables, and no more.

    Passwords come from VOICE_AI_METRICS_READER_PASSWORD and VOICE_AI_CERTIFIED_READER_PASSWORD.
    Run it as the user that runs dbt build, as often as you like.
    """
    from voice_ai_analytics import roles
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    for reader in roles.create_roles(project, Warehouse(project), metrics_role, certified_role):
        print_line(f"{reader.role} can read, in {reader.schema}: {', '.join(reader.tables)}")


def explain(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Say why the last dbt run failed or warned, which rows don't count, and what to do.

    Reads the results of the last run and the input, and changes nothing. Ids are masked.
    """
    from voice_ai_analytics import explain as explaining
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Reading the last run and the input"):
        findings = list(explaining.explain(project, Warehouse(project)))
    for finding in findings:
        print_line(f"{finding.status}: {finding.what}")
        print_line(f"  {finding.account}")
        for sample in finding.samples:
            print_line(f"  for example: {sample}")
        if finding.remedy:
            print_line(f"  What to do: {finding.remedy}")
    if not findings:
        print_line("The last run passed without warnings, and every row of the input counts.")


def reconcile(
    platform: Annotated[
        str, typer.Argument(metavar="PLATFORM", help="The platform, as sessions name it.")
    ],
    expected: Annotated[
        Path,
        typer.Option(
            help="A CSV file with the vendor's figures per day: a day, and any of sessions,"
            " minutes and cost."
        ),
    ],
    time_zone: Annotated[
        str,
        typer.Option(help="In which the vendor's days begin and end, such as America/New_York."),
    ] = "UTC",
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    output: ResultFile = None,
) -> None:
    """Compare a vendor's own figures with certified sessions, and say where they differ and why.

    Counts what a difference can come from: quarantined rows and their reasons, days of another time
    zone, sessions that weren't connected or aren't over, and what was loaded since the file.
    """
    import json

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.files import whole_file
    from voice_ai_analytics.reconciling.compare import compare
    from voice_ai_analytics.reconciling.expected import read_expected
    from voice_ai_analytics.reconciling.ours import read_ours
    from voice_ai_analytics.reconciling.terminal import render
    from voice_ai_analytics.warehouse import Warehouse

    figures = read_expected(expected)
    warehouse = Warehouse(DbtProject(project_dir.resolve(), profiles_dir, target))
    with whole_file(output, unlike=expected) as file, console.status("Comparing figures"):
        ours = read_ours(warehouse, platform, figures.written_at)
        result = compare(platform, figures, ours, time_zone)
        file.write(json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n")
    render(result, console)
    if output:
        print_line(f"Result: {output}")
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def forget(
    platform: Annotated[
        str | None, typer.Option(help="The platform of the session to forget.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="The id of the session to forget.")] = None,
    user: Annotated[
        str | None, typer.Option(help="The id of the user to forget, with all their sessions.")
    ] = None,
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
) -> None:
    """Delete a session, or a user with all their sessions, from every table of the package.

    History and quarantine are included. Delete the rows in the source first: as long as it has
    them, the next build would bring them back, and this command refuses.
    """
    from voice_ai_analytics import forgetting
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    warehouse = Warehouse(project)
    with console.status("Forgetting"):
        deleted = forgetting.forget(project, warehouse, platform, session, user)
    for relation, rows in deleted.items():
        print_line(f"{relation}: {rows:,} {'row' if rows == 1 else 'rows'} deleted")
    if not deleted:
        print_line("Nothing to delete: no table of the package knows it.")

"""What the commands share: options, the console, and how results are printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console()

ProjectDir = Annotated[
    Path, typer.Option("--project-dir", help="The dbt project that installs the package.")
]
ProfilesDir = Annotated[
    Path | None,
    typer.Option("--profiles-dir", help="The directory of profiles.yml, if not where dbt looks."),
]
Target = Annotated[str | None, typer.Option("--target", help="The dbt target, if not the default.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="Use sessions as they were known at the end of this day, or at this instant (UTC if"
        " it names no zone). Writes no tables."
    ),
]
ResultFile = Annotated[Path | None, typer.Option("--json", help="A JSON file for the result.")]


def progress_bar() -> Progress:
    """Return a progress bar that also leaves a trace in a log file."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def print_line(text: str) -> None:
    """Print one line, without wrapping it or reading it as markup."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_warning(text: str) -> None:
    """Print one line to standard error, as `print_line` does."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"voice-ai: {text}", markup=False)

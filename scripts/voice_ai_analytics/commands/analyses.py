"""Commands that estimate and report: the four analyses, and the HTML report."""

from __future__ import annotations

from enum import StrEnum
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
from voice_ai_analytics.errors import UserError


class Normalizer(StrEnum):
    """What is done to texts before they are compared."""

    none = "none"
    basic = "basic"
    whisper = "whisper"


def fit_abandonment(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    k: Annotated[
        int,
        typer.Option(
            "--k", min=1, max=1000, help="How many of a session's first user turns to use."
        ),
    ] = 3,
    include_after_the_fact: Annotated[
        bool,
        typer.Option(
            "--include-after-the-fact",
            help="Also use turn counts and duration, which the outcome decides; marked as such.",
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for cross-validation and bootstrap.")
    ] = 0,
    as_of: AsOf = None,
    output: Annotated[Path, typer.Option(help="The JSON file to write.")] = Path(
        "abandonment_model.json"
    ),
) -> None:
    """Estimate how session features are associated with abandonment, or say that none are.

    The result also covers the user turn at which sessions are abandoned, transfers as a competing
    outcome, gradient boosting, and how the answer changes with other openings and targets.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    options = {"k": k, "include_after_the_fact": include_after_the_fact, "seed": seed}
    with console.status("Fitting the abandonment model"):
        model = run_analysis("fit-abandonment", project, output, as_of, **options)
    _print_result("fit-abandonment", model, output, *_known(as_of))


def evaluate_asr(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A CSV, JSON Lines or Parquet file with the columns of asr_references, used"
            " instead of the warehouse's. Needs no dbt project.",
        ),
    ] = None,
    normalizer: Annotated[
        Normalizer,
        typer.Option(
            help="none: texts as they are; basic: lower case, no punctuation; whisper: as OpenAI's"
            " Whisper does for English, basic for other languages."
        ),
    ] = Normalizer.none,
    output: ResultFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the bootstraps.")] = 0,
) -> None:
    """Count word errors against reference transcripts; report rates and calibration by group.

    In a built dbt project, the source table asr_word_errors then holds this evaluation only, and
    the next dbt build certifies it for the metric voice_ai_word_error_rate.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis
    from voice_ai_analytics.warehouse import built_project

    place = (project_dir.resolve(), profiles_dir, target)
    project = built_project(*place) if references else DbtProject(*place)
    options = {"references": references, "normalizer": normalizer.value, "seed": seed}
    with console.status("Comparing transcripts"):
        result = run_analysis("evaluate-asr", project, output, unlike=references, **options)
    closing = []
    if project is None:
        closing = ["No built dbt project here, so no table was written."]
    elif not result.exit_code:
        closing = ["Word errors are in the warehouse; dbt build certifies them."]
    _print_result("evaluate-asr", result, output, *closing)


def compare_asr(
    before: Annotated[str, typer.Option(help="The earlier release, a value of asr_model.")],
    after: Annotated[str, typer.Option(help="The later release, a value of asr_model.")],
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    as_of: AsOf = None,
    output: ResultFile = None,
) -> None:
    """Estimate what an ASR release changed, at equal mix, or say that nothing can be told.

    Compares completion, abandonment, transfer and error turns, and word errors if dbt build has
    certified those of evaluate-asr.
    """
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    options = {"before": before, "after": after}
    with console.status("Comparing releases"):
        result = run_analysis("compare-asr", project, output, as_of, **options)
    _print_result("compare-asr", result, output, *_known(as_of))


def segment(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    output: ResultFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for splitting users in two.")] = 0,
    as_of: AsOf = None,
) -> None:
    """Compare cohorts, and find segments of sessions that also hold for users set aside."""
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.pipeline import run_analysis

    project = DbtProject(project_dir.resolve(), profiles_dir, target)
    with console.status("Looking for segments"):
        result = run_analysis("segment", project, output, as_of, seed=seed)
    _print_result("segment", result, output, *_known(as_of))


def report(
    project_dir: ProjectDir = Path("."),
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    model: Annotated[
        Path | None, typer.Option(help="The JSON file of fit-abandonment, if you have it.")
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
    print_line(f"Report: {output}")


def _print_result(analysis: str, result, output: Path | None, *closing: str) -> None:
    """Print a result, further lines, and where it was written; exit with its code."""
    from voice_ai_analytics.pipeline import print_result

    print_result(analysis, result, console)
    for line in (*closing, *([f"Result: {output}"] if output else [])):
        print_line(line)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _known(as_of: str | None) -> list[str]:
    """Return a line that says which moment a result describes, unless it is now."""
    if as_of is None:
        return []
    from voice_ai_analytics.history.as_of import as_of_moment, told

    return [f"Sessions as known on {told(as_of_moment(as_of))}; no table was written."]

"""Everything on one directory of raw files: load, build, query, model, report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from voice_ai_analytics.analysis import Result
from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.history.query import query_metrics
from voice_ai_analytics.metrics.query import MetricQuery
from voice_ai_analytics.packages import install_packages
from voice_ai_analytics.pipeline import run_analysis, write_report
from voice_ai_analytics.postgres import embedded_postgres_server
from voice_ai_analytics.releases.frame import releases
from voice_ai_analytics.simulate.references import FILE as REFERENCES
from voice_ai_analytics.warehouse import Warehouse

HEADLINES = {
    "voice_ai_sessions": "sessions",
    "voice_ai_completion_rate": "completed",
    "voice_ai_abandonment_rate": "abandoned",
    "voice_ai_transfer_rate": "transferred",
    "voice_ai_error_turn_rate": "error turns",
    "voice_ai_asr_confidence": "ASR conf.",
}
BREAKDOWN = {"voice_ai_session__language": "language", "voice_ai_session__channel": "channel"}


@dataclass(frozen=True)
class DemoPaths:
    """The paths of a demo's results, all under one output directory."""

    output: Path

    @property
    def project(self) -> Path:
        """Return the consumer project that is run, a copy of the repository's ``demo/``."""
        return self.output / "project"

    @property
    def database(self) -> Path:
        """Return the DuckDB file."""
        return self.output / "voice_ai.duckdb"

    @property
    def model(self) -> Path:
        """Return the JSON file of the abandonment model."""
        return self.output / "abandonment_model.json"

    @property
    def asr_evaluation(self) -> Path:
        """Return the JSON file of the ASR evaluation."""
        return self.output / "asr_evaluation.json"

    @property
    def report(self) -> Path:
        """Return the HTML report."""
        return self.output / "report.html"

    @property
    def postgres(self) -> Path:
        """Return the data directory of the embedded PostgreSQL."""
        return self.output / "postgres"


def prepare_project(paths: DemoPaths) -> tuple[DbtProject, str]:
    """Copy the demo project into the output directory and install its packages.

    The copy keeps the repository clean and lets several demos run at once.

    Parameters
    ----------
    paths : DemoPaths
        The paths of the output directory.

    Returns
    -------
    tuple of DbtProject and str
        The project, without a target, and one line about its packages.

    Raises
    ------
    UserError
        If the repository's ``demo/`` is missing, or the output directory can't be written.
    """
    source = REPOSITORY / "demo"
    if not (source / "dbt_project.yml").is_file():
        raise UserError(f"{source}: not there; run voice-ai demo from a clone of the repository")
    try:
        paths.output.mkdir(parents=True, exist_ok=True)
        keep = {"target", "logs", "dbt_packages"}
        for old in paths.project.iterdir() if paths.project.is_dir() else ():
            if old.name not in keep:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        ignore = shutil.ignore_patterns(*keep, "package-lock.yml")
        shutil.copytree(source, paths.project, dirs_exist_ok=True, ignore=ignore)
    except OSError as error:
        raise UserError(f"{paths.output}: cannot be written ({error.strerror})") from error
    packages = paths.project / "packages.yml"
    packages.write_text(f"packages:\n  - local: '{REPOSITORY}'\n", encoding="utf-8")
    return DbtProject(paths.project), install_packages(paths.project)


@contextmanager
def target_environment(paths: DemoPaths, target: str) -> Iterator[None]:
    """Set the variables that the demo's profile reads; run PostgreSQL if it is the target."""
    with ExitStack() as stack:
        variables = {"VOICE_AI_TARGET": target, "DO_NOT_TRACK": "1"}
        if target == "duckdb":
            variables["VOICE_AI_DUCKDB_PATH"] = str(paths.database)
        elif "VOICE_AI_POSTGRES_HOST" not in os.environ:
            variables |= stack.enter_context(embedded_postgres_server(paths.postgres))
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def headline_metrics(project: DbtProject) -> list[dict]:
    """Return the headline metrics, one row per language and channel."""
    question = MetricQuery(metrics=tuple(HEADLINES), group_by=tuple(BREAKDOWN))
    return query_metrics(project, question).table.to_pylist()


def headline_table(headlines: list[dict]) -> Table:
    """Return the headline metrics as a table for a terminal."""
    table = Table(
        title="Certified metrics by language and channel",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    for name, label in (BREAKDOWN | HEADLINES).items():
        table.add_column(label, justify="left" if name in BREAKDOWN else "right")
    for row in headlines:
        table.add_row(*(_cell(name, row[name]) for name in (*BREAKDOWN, *HEADLINES)))
    return table


def _cell(name: str, value: str | float | None) -> str:
    if value is None:
        return "not known" if name in BREAKDOWN else "–"
    if name.endswith("_rate"):
        return f"{value:.1%}"
    if name.endswith("_confidence"):
        return f"{value:.3f}"
    return value if isinstance(value, str) else f"{value:,}"


def evaluate_references(project: DbtProject, paths: DemoPaths, raw: Path) -> Result | None:
    """Evaluate the references among the raw files, if there are any, and certify the result."""
    references = raw / REFERENCES
    if not references.is_file():
        return None
    options = {"references": references, "normalizer": "basic"}
    result = run_analysis("evaluate-asr", project, paths.asr_evaluation, **options)
    # The report reads dbt's results of the whole build, so this one writes none.
    project.run("build", "--select", "fact_voice_ai_asr_evaluations", "--no-write-json")
    return result


def compare_releases_and_cohorts(project: DbtProject) -> list[str]:
    """Compare the last two ASR releases, if there are two, and cohorts; return the verdicts."""
    last_two = releases(Warehouse(project), project.relation("fact_voice_ai_sessions"))[-2:]
    results = []
    if len(last_two) == 2:
        options = dict(zip(("before", "after"), last_two, strict=True))
        results.append(run_analysis("compare-asr", project, None, **options))
    results.append(run_analysis("segment", project, None))
    return [result.verdict for result in results]


def model_and_report(project: DbtProject, paths: DemoPaths) -> tuple[Result, list[dict]]:
    """Fit the model, write it back, and write the report; return the model and the headlines."""
    model = run_analysis("fit-abandonment", project, paths.model)
    write_report(project, paths.model, paths.report)
    return model, headline_metrics(project)

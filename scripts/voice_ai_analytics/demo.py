"""The whole job on one directory of raw files: load, build, query, model, report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table

from voice_ai_analytics.analysis import Result
from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject, install_packages
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.compiler import MetricCompiler
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
    """Where a demo puts what it makes, all under one output directory."""

    output: Path

    @property
    def project(self) -> Path:
        """The consumer project that is run, a copy of the repository's ``demo/``."""
        return self.output / "project"

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.output / "voice_ai.duckdb"

    @property
    def model(self) -> Path:
        """The abandonment model as JSON."""
        return self.output / "abandonment_model.json"

    @property
    def asr_evaluation(self) -> Path:
        """The evaluation of the speech recogniser as JSON."""
        return self.output / "asr_evaluation.json"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.output / "report.html"

    @property
    def postgres(self) -> Path:
        """The data directory of the embedded PostgreSQL."""
        return self.output / "postgres"


def prepare_project(paths: DemoPaths) -> tuple[DbtProject, str]:
    """Copy the demo project into the output directory and install its packages.

    The copy keeps the repository clean and lets several demos run at once.

    Parameters
    ----------
    paths : DemoPaths
        Of the output directory.

    Returns
    -------
    tuple of DbtProject and str
        The project, without a target, and one line about its packages.

    Raises
    ------
    UserError
        Where the repository's ``demo/`` is not there, or the output directory cannot be written.
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
    """Set the variables that the demo's profile reads; run PostgreSQL where it is the target."""
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


def headline_metrics(project: DbtProject) -> pd.DataFrame:
    """Return the headline metrics, one row per language and channel."""
    compiler = MetricCompiler(project)
    query = compiler.compile(list(HEADLINES), list(BREAKDOWN), order_by=list(BREAKDOWN))
    return Warehouse(project).query(query)


def headline_table(headlines: pd.DataFrame) -> Table:
    """Lay the headline metrics out for a terminal, one row a language and channel."""
    table = Table(
        title="Certified metrics by language and channel",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    names = [*BREAKDOWN, *HEADLINES]
    for name, label in (BREAKDOWN | HEADLINES).items():
        table.add_column(label, justify="left" if name in BREAKDOWN else "right")
    for row in headlines[names].itertuples(index=False):
        cells = []
        for name, value in zip(names, row, strict=True):
            if value is None or value != value:
                cells.append("not known" if "__" in name else "–")
            elif name.endswith(("_rate", "_confidence")):
                cells.append(f"{value:.1%}" if name.endswith("_rate") else f"{value:.3f}")
            else:
                cells.append(f"{value:,}" if not isinstance(value, str) else value)
        table.add_row(*cells)
    return table


def evaluate_references(project: DbtProject, paths: DemoPaths, raw: Path) -> Result | None:
    """Evaluate the references beside the raw files, if there are any, and certify the outcome."""
    references = raw / REFERENCES
    if not references.is_file():
        return None
    options = {"references": references, "normalizer": "basic"}
    result = run_analysis("evaluate-asr", project, paths.asr_evaluation, **options)
    # The report reads dbt's account of the whole build, which this one leaves as it is.
    project.run("build", "--select", "fact_voice_ai_asr_evaluations", "--no-write-json")
    return result


def compare_releases_and_cohorts(project: DbtProject) -> list[str]:
    """Compare the last two ASR releases, if there are two, and cohorts; give the verdicts."""
    last_two = releases(Warehouse(project), project.relation("fact_voice_ai_sessions"))[-2:]
    results = []
    if len(last_two) == 2:
        options = dict(zip(("before", "after"), last_two, strict=True))
        results.append(run_analysis("compare-asr", project, None, **options))
    results.append(run_analysis("segment", project, None))
    return [result.verdict for result in results]


def model_and_report(project: DbtProject, paths: DemoPaths) -> tuple[Result, pd.DataFrame]:
    """Fit the model, write it back, write the report.

    Returns
    -------
    tuple of Result and pandas.DataFrame
        The model and the headline metrics.
    """
    model = run_analysis("fit-abandonment", project, paths.model)
    headlines = headline_metrics(project)
    write_report(project, paths.model, paths.report)
    return model, headlines

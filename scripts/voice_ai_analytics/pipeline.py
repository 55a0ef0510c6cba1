"""The steps that read a built project: analyses and the report.

Each step imports what it needs when it is called: statistics and plots take seconds to load.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from voice_ai_analytics.analysis import Result, Source
from voice_ai_analytics.files import whole_file, write_whole

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from voice_ai_analytics.dbt_project import DbtProject

# The folder of each analysis, by its command; `analysis.py` says what is in it.
ANALYSES = {
    "fit-abandonment": "voice_ai_analytics.abandonment",
    "evaluate-asr": "voice_ai_analytics.asr",
    "compare-asr": "voice_ai_analytics.releases",
    "segment": "voice_ai_analytics.segments",
}


def run_analysis(
    name: str,
    project: DbtProject | None,
    output: Path | None,
    as_of: str | None = None,
    unlike: Path | None = None,
    **options,
) -> Result:
    """Return the result of an analysis; write it as JSON and as warehouse tables.

    Both are written whole, or neither is. The result of a past moment has no tables, and neither
    has one without a project.

    Parameters
    ----------
    name : str
        One of `ANALYSES`.
    project : DbtProject or None
        Built by dbt; None where the analysis reads files only.
    output : Path or None
        The JSON file.
    as_of : str or None
        As for `as_of_moment`: sessions as they were known then. None for now.
    unlike : Path or None
        A file that the analysis reads, and that `output` must not replace.
    **options
        As for the analysis's ``estimate``.

    Returns
    -------
    Result
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    estimate = import_module(f"{ANALYSES[name]}.estimate").estimate
    with whole_file(output, unlike=unlike) as file, _source(project, as_of) as source:
        result = estimate(source, **options)
        file.write(_document(result, as_of))
        if project and as_of is None and (tables := result.tables()):
            source.warehouse.write_tables(tables, source.transaction)
    return result


def print_result(name: str, result: Result, console: Console) -> None:
    """Print the result of an analysis.

    Parameters
    ----------
    name : str
        One of `ANALYSES`.
    result : Result
        From `run_analysis`.
    console : rich.console.Console
        Where to print.
    """
    import_module(f"{ANALYSES[name]}.terminal").render(result, console)


def _source(project: DbtProject | None, as_of: str | None) -> Source:
    if project is None:
        return Source(None, None)
    from voice_ai_analytics.warehouse import Warehouse

    warehouse = Warehouse(project)
    if as_of is None:
        return Source(project, warehouse, project.relation("fact_voice_ai_sessions"))
    from voice_ai_analytics.history.as_of import as_of_moment, as_of_sessions, check_history

    moment = as_of_moment(as_of)
    check_history(project, warehouse, moment)
    return Source(project, warehouse, as_of_sessions(project, moment))


def _document(result: Result, as_of: str | None) -> str:
    moment = None
    if as_of is not None:
        from voice_ai_analytics.history.as_of import as_of_moment

        moment = as_of_moment(as_of).isoformat() + "Z"
    document = {"as_of": moment} | result.to_json()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_report(project: DbtProject, model_json: Path | None, output: Path) -> None:
    """Write the HTML report of a built project.

    Parameters
    ----------
    project : DbtProject
        Built; its ``target`` directory holds the test results.
    model_json : Path or None
        From ``fit-abandonment``; the report says so where there is none.
    output : Path
        The HTML file.
    """
    from voice_ai_analytics.metrics.compiler import MetricCompiler
    from voice_ai_analytics.report.analyses import read_analyses
    from voice_ai_analytics.report.data import gather
    from voice_ai_analytics.report.page import render
    from voice_ai_analytics.warehouse import Warehouse

    warehouse, compiler = Warehouse(project), MetricCompiler(project)

    def ask(metrics: Sequence[str], group_by: Sequence[str]) -> pd.DataFrame:
        return warehouse.query(compiler.compile(metrics, group_by))

    data = replace(gather(project, warehouse, ask, model_json), analyses=read_analyses(warehouse))
    write_whole(output, render(data))

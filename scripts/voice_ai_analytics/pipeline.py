"""The steps that read a built project: models, evaluations, comparisons and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from voice_ai_analytics.abandonment.features import feature_query, openings_query
from voice_ai_analytics.abandonment.model import AbandonmentModel
from voice_ai_analytics.abandonment.study import study_abandonment
from voice_ai_analytics.asr.references import read_file
from voice_ai_analytics.asr.results import AsrEvaluation, compare, spooled, summarise
from voice_ai_analytics.asr.warehouse import read_warehouse, write_back
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.files import whole_file, write_whole
from voice_ai_analytics.history.as_of import (
    as_of_moment,
    as_of_sessions,
    as_of_statement,
    check_history,
)
from voice_ai_analytics.history.query import MetricAnswer
from voice_ai_analytics.metrics.engine import MetricClient
from voice_ai_analytics.releases.frame import read_releases
from voice_ai_analytics.releases.results import ReleaseComparison, compare_releases
from voice_ai_analytics.report.analyses import read_analyses
from voice_ai_analytics.report.data import gather
from voice_ai_analytics.report.page import render
from voice_ai_analytics.segments import queries as segment_queries
from voice_ai_analytics.segments.discovery import OPENING
from voice_ai_analytics.segments.results import Segmentation, segment
from voice_ai_analytics.serving.reader import Reader
from voice_ai_analytics.serving.service import Limits, MetricQuery, MetricService
from voice_ai_analytics.warehouse import Warehouse


def _sessions(project: DbtProject, warehouse: Warehouse, as_of: str | None) -> str:
    """Give the relation of certified sessions, now or as they were known at a moment."""
    if as_of is None:
        return project.relation("fact_voice_ai_sessions")
    moment = as_of_moment(as_of)
    check_history(project, warehouse, moment)
    return as_of_sessions(project, moment)


def _write(
    result: AbandonmentModel | ReleaseComparison | Segmentation,
    file: TextIO,
    warehouse: Warehouse,
    as_of: str | None,
) -> None:
    """Write a result as JSON, and beside the fact, if it is of now."""
    file.write(_json(result, as_of))
    tables = result.tables()
    if as_of is None:
        warehouse.write_tables(tables)


def _json(result, as_of: str | None) -> str:
    moment = None if as_of is None else as_of_moment(as_of).isoformat() + "Z"
    known = {"as_of": moment} | result.to_json()
    return json.dumps(known, indent=2, ensure_ascii=False) + "\n"


def fit_and_write_back(
    project: DbtProject,
    warehouse: Warehouse,
    output: Path,
    k: int = 3,
    include_after_the_fact: bool = False,
    seed: int = 0,
    as_of: str | None = None,
) -> AbandonmentModel:
    """Fit the abandonment model on certified tables; write it as JSON and as warehouse tables.

    Parameters
    ----------
    project : DbtProject
        Built with the var ``voice_ai_fact_turns`` on.
    warehouse : Warehouse
        Of that project.
    output : Path
        The JSON file.
    k, include_after_the_fact, seed
        As for `study_abandonment`.
    as_of : str or None
        As for `as_of_moment`: sessions as they were known then, their turns as now, and no table
        is written. None for now.

    Returns
    -------
    AbandonmentModel
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    turns = project.relation("fact_voice_ai_turns")
    with whole_file(output) as file:
        model = study_abandonment(
            warehouse.query(feature_query(_sessions(project, warehouse, as_of), turns, k)),
            warehouse.query(openings_query(turns)),
            k,
            include_after_the_fact,
            seed,
            project.min_cohort_size,
        )
        _write(model, file, warehouse, as_of)
    return model


def evaluate_asr(
    project: DbtProject | None,
    warehouse: Warehouse | None,
    references: Path | None,
    output: Path | None,
    normalizer: str = "none",
    seed: int = 0,
) -> AsrEvaluation:
    """Compare hypotheses with references; write word errors and rates into the warehouse.

    Parameters
    ----------
    project, warehouse : DbtProject and Warehouse, or None
        Where the references are, unless in a file, and where results go. None for neither.
    references : Path or None
        A file for `read_file`; None for the warehouse's references.
    output : Path or None
        A JSON file for the result.
    normalizer : str
        As for `count_errors`.
    seed : int
        Of the bootstraps.

    Returns
    -------
    AsrEvaluation
        Also where nothing could be estimated; its ``exit_code`` is 3 then, and the warehouse stays
        as it was.
    """
    batches = read_file(references) if references else read_warehouse(project, warehouse)
    with whole_file(output, unlike=references) as file, spooled() as spool:
        excluded = compare(spool, batches, normalizer)
        if project and spool.has_word_errors:
            result = write_back(project, warehouse, spool, normalizer, excluded, seed)
        else:
            result = summarise(spool, normalizer, excluded, seed=seed)
        file.write(json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n")
    return result


def query_metrics(
    project: DbtProject, query: MetricQuery, as_of: str | None = None
) -> MetricAnswer:
    """Answer a metric query, now or as it would have been answered on a day.

    Parameters
    ----------
    project : DbtProject
        Built by dbt.
    query : MetricQuery
        The question.
    as_of : str or None
        As for `as_of_moment`; None for now.

    Returns
    -------
    MetricAnswer

    Raises
    ------
    UserError
        As from `MetricService.query`; where nothing is known of the moment, or no history is kept
        of what the query reads.
    """
    moment = None if as_of is None else as_of_moment(as_of)
    limits = Limits(rows=1_000_000, seconds=600)
    statement = MetricService(project, limits).explain(query)
    if moment:
        warehouse = Warehouse(project)
        check_history(project, warehouse, moment)
        statement = as_of_statement(project, warehouse, statement, moment)
    reader = Reader(project, limits.seconds, connections=1)
    try:
        table = reader.fetch(statement, limits.rows)
    finally:
        reader.close()
    if query.group_by:
        table = table.sort_by([(name, "ascending") for name in query.group_by])
    return MetricAnswer(query, table, moment)


def compare_asr(
    project: DbtProject,
    warehouse: Warehouse,
    before: str,
    after: str,
    output: Path | None,
    as_of: str | None = None,
) -> ReleaseComparison:
    """Compare two ASR releases on certified tables; write the result as JSON and as tables.

    Parameters
    ----------
    project : DbtProject
        Built.
    warehouse : Warehouse
        Of that project.
    before, after : str
        Values of ``asr_model``.
    output : Path or None
        A JSON file for the result.
    as_of : str or None
        As for `as_of_moment`: sessions as they were known then, word errors as now, and no table
        is written. None for now.

    Returns
    -------
    ReleaseComparison
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    sessions = _sessions(project, warehouse, as_of)
    try:
        evaluations = project.relation("fact_voice_ai_asr_evaluations")
    except UserError:
        evaluations = None
    with whole_file(output) as file:
        frames = read_releases(warehouse, sessions, evaluations, before, after)
        result = compare_releases(*frames, before, after, project.min_cohort_size)
        _write(result, file, warehouse, as_of)
    return result


def segment_and_write_back(
    project: DbtProject,
    warehouse: Warehouse,
    output: Path | None,
    seed: int = 0,
    as_of: str | None = None,
) -> Segmentation:
    """Compare cohorts and find segments; write them as warehouse tables.

    Parameters
    ----------
    project : DbtProject
        Built; segments need the var ``voice_ai_fact_turns`` on.
    warehouse : Warehouse
        Of that project.
    output : Path or None
        A JSON file for the result.
    seed : int
        As for `segment`.
    as_of : str or None
        As for `as_of_moment`: sessions as they were known then, their turns as now, and no table
        is written. None for now.

    Returns
    -------
    Segmentation
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    sessions = warehouse.query(segment_queries.sessions_query(_sessions(project, warehouse, as_of)))
    openings = None
    if "model.voice_ai_analytics.fact_voice_ai_turns" in project.manifest["nodes"]:
        turns = project.relation("fact_voice_ai_turns")
        openings = warehouse.query(segment_queries.openings_query(turns, OPENING))
    with whole_file(output) as file:
        result = segment(sessions, openings, project.min_cohort_size, seed)
        _write(result, file, warehouse, as_of)
    return result


def write_project_report(
    project: DbtProject, client: MetricClient, model_json: Path | None, output: Path
) -> None:
    """Write the HTML report of a built project.

    Parameters
    ----------
    project : DbtProject
        Built; its ``target`` directory holds dbt's account of the tests.
    client : MetricClient
        Of that project.
    model_json : Path or None
        From `fit_and_write_back`; the report says so where there is none.
    output : Path
        The HTML file.
    """
    warehouse = Warehouse(project, execute=client.sql)
    data = gather(
        client,
        warehouse,
        target_dir=project.directory / "target",
        model_json=model_json,
        min_cohort_size=project.min_cohort_size,
    )
    write_whole(output, render(replace(data, analyses=read_analyses(warehouse))))

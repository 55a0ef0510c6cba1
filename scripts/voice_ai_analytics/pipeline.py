"""The steps that read a built project: models, evaluations, segments and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from voice_ai_analytics.abandonment import AbandonmentModel, fit_abandonment
from voice_ai_analytics.abandonment_features import feature_query
from voice_ai_analytics.asr_references import read_file
from voice_ai_analytics.asr_results import AsrEvaluation, compare, spooled, summarise
from voice_ai_analytics.asr_warehouse import read_results, read_warehouse, write_back
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.files import write_whole
from voice_ai_analytics.metrics import MetricClient
from voice_ai_analytics.report import render
from voice_ai_analytics.report_data import gather
from voice_ai_analytics.segment import Segmentation, segment
from voice_ai_analytics.segment_discovery import OPENING
from voice_ai_analytics.segment_queries import openings_query, sessions_query
from voice_ai_analytics.warehouse import Warehouse


def fit_and_write_back(
    project: DbtProject,
    warehouse: Warehouse,
    output: Path,
    k: int = 3,
    include_after_the_fact: bool = False,
    seed: int = 0,
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
        As for `fit_abandonment`.

    Returns
    -------
    AbandonmentModel
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    query = feature_query(
        project.relation("fact_voice_ai_sessions"), project.relation("fact_voice_ai_turns"), k
    )
    frame = warehouse.query(query)
    model = fit_abandonment(frame, k=k, include_after_the_fact=include_after_the_fact, seed=seed)
    write_whole(output, json.dumps(model.to_json(), indent=2, ensure_ascii=False) + "\n")
    warehouse.write_tables(model.tables())
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
    with spooled() as spool:
        excluded = compare(spool, batches, normalizer)
        if project and spool.has_word_errors:
            result = write_back(project, warehouse, spool, normalizer, excluded, seed)
        else:
            result = summarise(spool, normalizer, excluded, seed=seed)
    if output:
        write_whole(output, json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n")
    return result


def segment_and_write_back(
    project: DbtProject, warehouse: Warehouse, output: Path | None, seed: int = 0
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

    Returns
    -------
    Segmentation
        Also where nothing could be estimated; its ``exit_code`` is 3 then.
    """
    sessions = warehouse.query(sessions_query(project.relation("fact_voice_ai_sessions")))
    openings = None
    if "model.voice_ai_analytics.fact_voice_ai_turns" in project.manifest["nodes"]:
        turns = project.relation("fact_voice_ai_turns")
        openings = warehouse.query(openings_query(turns, OPENING))
    result = segment(sessions, openings, project.min_cohort_size, seed)
    if output:
        write_whole(output, json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n")
    warehouse.write_tables(result.tables())
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
    write_whole(output, render(replace(data, asr=read_results(warehouse))))

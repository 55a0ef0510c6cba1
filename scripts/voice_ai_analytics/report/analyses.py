"""The report's sections on what `voice-ai` estimated, from the tables that its commands left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from voice_ai_analytics.abandonment.report import TABLES as ABANDONMENT_TABLES
from voice_ai_analytics.abandonment.report import abandonment_plots, abandonment_sentences
from voice_ai_analytics.asr.report import asr_plots, asr_sentences
from voice_ai_analytics.asr.results import RESULTS as ASR_TABLES
from voice_ai_analytics.history.report import HISTORY, history_plots, history_sentences
from voice_ai_analytics.releases.report import release_plots, release_sentences
from voice_ai_analytics.releases.results import RESULTS as RELEASE_TABLES
from voice_ai_analytics.report.figures import Plot
from voice_ai_analytics.segments.report import segment_plots, segment_sentences
from voice_ai_analytics.segments.results import RESULTS as SEGMENT_TABLES
from voice_ai_analytics.warehouse import Warehouse

SETTLING = "settling"
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Analysis:
    """One section of the report.

    Parameters
    ----------
    name : str
        Its anchor in the page.
    label : str
        What the navigation calls it.
    heading : str
        The question that it answers.
    tables : sequence of str
        What its command writes beside the fact.
    plots, sentences : callable
        What these tables show and say; they take None where nobody has run the command.
    """

    name: str
    label: str
    heading: str
    tables: Sequence[str]
    plots: Callable[[Tables | None], list[Plot]]
    sentences: Callable[[Tables | None], list[str]]


ANALYSES = (
    Analysis(
        "abandonment-turns",
        "Turns",
        "When are sessions abandoned?",
        ABANDONMENT_TABLES,
        abandonment_plots,
        abandonment_sentences,
    ),
    Analysis(
        "recognition-quality",
        "Recognition",
        "Recognition: is what was said what was heard?",
        ASR_TABLES,
        asr_plots,
        asr_sentences,
    ),
    Analysis(
        "releases-compared",
        "Releases",
        "Did the new recogniser help?",
        RELEASE_TABLES,
        release_plots,
        release_sentences,
    ),
    Analysis(
        "cohorts",
        "Cohorts and segments",
        "For whom does it work less well?",
        SEGMENT_TABLES,
        segment_plots,
        segment_sentences,
    ),
    Analysis(
        SETTLING,
        "Settling",
        "Are the outcomes final?",
        HISTORY,
        history_plots,
        history_sentences,
    ),
)


def read_analyses(warehouse: Warehouse) -> dict[str, Tables]:
    """Read what the commands left.

    Parameters
    ----------
    warehouse : Warehouse
        Of a built project.

    Returns
    -------
    dict of str to dict of str to pandas.DataFrame
        Tables by name, by the name of their analysis; one whose command has not run is absent.
    """
    found = {one.name: warehouse.read_tables(one.tables) for one in ANALYSES}
    return {name: tables for name, tables in found.items() if tables}

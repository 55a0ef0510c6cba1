"""The report's sections on what `voice-ai` estimated, from the tables that its commands left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from voice_ai_analytics.report.figures import Plot
from voice_ai_analytics.report.sections import abandonment, asr, releases, segments, settling
from voice_ai_analytics.warehouse import Warehouse

SETTLING = "settling"
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Parameters
    ----------
    name : str
        Its anchor in the page.
    label : str
        Its name in the navigation.
    heading : str
        The question that it answers.
    tables : sequence of str
        The warehouse tables that its command writes.
    plots, sentences : callable
        Take these tables, or None where nobody has run the command; return figures, and sentences.
    """

    name: str
    label: str
    heading: str
    tables: Sequence[str]
    plots: Callable[[Tables | None], list[Plot]]
    sentences: Callable[[Tables | None], list[str]]


def _section(name: str, label: str, heading: str, module) -> Section:
    return Section(name, label, heading, module.TABLES, module.plots, module.sentences)


SECTIONS = (
    _section("abandonment-turns", "Turns", "When are sessions abandoned?", abandonment),
    _section("recognition-quality", "Recognition", "Recognition: is speech heard correctly?", asr),
    _section("releases-compared", "Releases", "Did the new recognizer help?", releases),
    _section("cohorts", "Cohorts and segments", "For whom does it work less well?", segments),
    _section(SETTLING, "Settling", "Are the outcomes final?", settling),
)


def read_analyses(warehouse: Warehouse) -> dict[str, Tables]:
    """Return what the commands left in the warehouse.

    Parameters
    ----------
    warehouse : Warehouse
        Of a built project.

    Returns
    -------
    dict of str to dict of str to pandas.DataFrame
        Tables by name, by the name of their section; absent where the command hasn't run.
    """
    found = {one.name: warehouse.read_tables(one.tables) for one in SECTIONS}
    return {name: tables for name, tables in found.items() if tables}

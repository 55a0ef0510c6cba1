"""All that the HTML report shows.

`gather` reads it and suppresses small cohorts at once, so that nothing later can show them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.definitions import ratio
from voice_ai_analytics.metrics.suppression import (
    SESSIONS,
    SMALL,
    USERS,
    cohort_size,
    is_small,
    suppress,
    suppress_together,
    suppressed_comparison,
)
from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, ERROR_TURN, Rate
from voice_ai_analytics.report.build import TestResults, read_model, read_tests
from voice_ai_analytics.report.catalog import (
    ACTIVE_USERS,
    ASR_CONFIDENCE,
    COST,
    ERROR_TYPES,
    GAPS,
    HANDLE_TIME,
    LATENCY,
    LOW_CONFIDENCE,
    OUTCOMES,
    RATES,
    SESSION,
    SESSION_ERROR,
    TURNS,
    TURNS_PER_SESSION,
    WEEK,
    Gap,
)
from voice_ai_analytics.warehouse import Warehouse

Ask = Callable[[Sequence[str], Sequence[str]], pd.DataFrame]


@dataclass(frozen=True)
class ReportData:
    """All that the report shows, without suppressed numbers.

    Parameters
    ----------
    notice : str
        Why there is nothing to show, or empty.
    totals : pandas.Series
        Each metric over all sessions, by name; null where it isn't known.
    days : tuple of pandas.Timestamp or None
        First and last day with a session.
    weeks, active, outcomes, channels, languages, bands, releases : pandas.DataFrame
        One row per cohort: `cohort` (for releases also `language`), `suppressed` (the reason, or
        empty), then metrics, and the columns of rates.
    gaps : pandas.DataFrame
        `label`, `suppressed`, and completed and eligible sessions of both sides.
    accounting, quarantine : pandas.DataFrame
        Rows by table; rows by table and reason.
    model : dict or None
        Content of `abandonment_model.json`.
    tests : TestResults or None
        None where dbt left no results.
    min_cohort_size : int
        Fewest users of a cohort that is shown.
    analyses : dict of str to dict of str to pandas.DataFrame
        From `read_analyses`.
    """

    notice: str
    totals: pd.Series
    days: tuple[pd.Timestamp, pd.Timestamp] | None
    weeks: pd.DataFrame
    active: pd.DataFrame
    outcomes: pd.DataFrame
    channels: pd.DataFrame
    languages: pd.DataFrame
    bands: pd.DataFrame
    releases: pd.DataFrame
    gaps: pd.DataFrame
    accounting: pd.DataFrame
    quarantine: pd.DataFrame
    model: dict | None
    tests: TestResults | None
    min_cohort_size: int
    analyses: dict[str, dict[str, pd.DataFrame]] = field(default_factory=dict)


def gather(
    project: DbtProject, warehouse: Warehouse, ask: Ask, model_json: Path | None
) -> ReportData:
    """Return all that the report shows, with small cohorts suppressed.

    Parameters
    ----------
    project : DbtProject
        Built; `run_results.json` may be absent from its target directory.
    warehouse : Warehouse
        The project's, for the row accounting.
    ask : callable
        Takes names of metrics and of dimensions; returns one row per group, named as asked for.
    model_json : pathlib.Path or None
        `abandonment_model.json`; may be absent.

    Returns
    -------
    ReportData

    Raises
    ------
    UserError
        If a JSON file isn't what it should be, or the project lacks a metric.
    """
    means = (TURNS_PER_SESSION, HANDLE_TIME, COST)
    metrics, min_cohort_size = _Metrics(ask, project.semantics), project.min_cohort_size
    totals = metrics.totals(SESSIONS, USERS, TURNS, *means, *RATES)
    if {metric["name"] for metric in project.semantics["metrics"]}.issuperset(LATENCY):
        totals = pd.concat([totals, metrics.totals(*LATENCY)])
    notice = _notice(totals, min_cohort_size)

    def groups(*asked: str | Rate, by: Sequence[str]) -> pd.DataFrame:
        frame = metrics.empty(*asked, by=by) if notice else metrics.groups(*asked, by=by)
        frame = frame.rename(columns={by[0]: "cohort"})
        order = ["cohort", *by[1:]]
        return frame.sort_values(order, key=lambda values: values.astype(str), ignore_index=True)

    def cohorts(*by: str, of: Sequence = (), results: Sequence[str] = ()) -> pd.DataFrame:
        return suppress(groups(SESSIONS, USERS, *of, by=by), min_cohort_size, results)

    weekly = (COMPLETION, ABANDONMENT, ERROR_TURN, *ERROR_TYPES)
    compared = {gap.dimension: cohorts(SESSION + gap.dimension, of=[COMPLETION]) for gap in GAPS}
    channels = cohorts(SESSION + "channel", of=(COMPLETION, SESSION_ERROR, *means))
    by_language = (COMPLETION, LOW_CONFIDENCE, ASR_CONFIDENCE)
    languages = groups(SESSIONS, USERS, *by_language, by=[SESSION + "language"])
    releases = groups(SESSIONS, USERS, ERROR_TURN, by=[SESSION + "asr_model", SESSION + "language"])
    columns = {"asr_model": "cohort", "language": SESSION + "language"}
    # The releases of a language add up to it.
    languages, releases = suppress_together(
        [(languages, {"language": "cohort"}), (releases, columns)], min_cohort_size
    )
    active = groups(ACTIVE_USERS, by=[WEEK])
    few = active[ACTIVE_USERS] < min_cohort_size
    active["suppressed"] = few.map({True: SMALL.format(min_cohort_size), False: ""})
    days = groups(SESSIONS, by=["metric_time__day"])["cohort"]
    return ReportData(
        notice=notice,
        totals=totals if not notice else totals * np.nan,
        days=None if days.empty else (days.min(), days.max()),
        weeks=_blanked(cohorts(WEEK, of=weekly)),
        active=_blanked(active),
        outcomes=_blanked(cohorts(SESSION + "outcome", results=OUTCOMES[:3])),
        channels=_blanked(channels),
        languages=_blanked(languages),
        bands=_blanked(cohorts(SESSION + "asr_confidence_band", of=[ABANDONMENT])),
        releases=_blanked(releases.rename(columns={SESSION + "language": "language"})),
        gaps=pd.DataFrame([_gap(gap, compared[gap.dimension]) for gap in GAPS]),
        accounting=_rows(warehouse, "voice_ai_row_accounting", "table_name"),
        quarantine=_rows(warehouse, "voice_ai_quarantine_reasons", "table_name, reason"),
        model=read_model(model_json),
        tests=read_tests(project.directory / "target", project.manifest),
        min_cohort_size=min_cohort_size,
    )


@dataclass(frozen=True)
class _Metrics:
    """Asks for metrics, and for rates with the two counts that each divides."""

    ask: Ask
    semantics: dict

    def groups(self, *asked: str | Rate, by: Sequence[str] = ()) -> pd.DataFrame:
        """Return one row per group, with plain types."""
        rates = [one for one in asked if isinstance(one, Rate)]
        counts = {rate: _counts(self.semantics, rate) for rate in rates}
        names = [one for one in asked if isinstance(one, str)]
        names += [name for rate in rates for name in (rate.metric, *counts[rate])]
        names = list(dict.fromkeys(names))
        frame = _plain(self.ask(names, list(by)), names)
        of_rates = {
            column: frame[name]
            for rate in rates
            for column, name in zip((rate.numerator, rate.denominator), counts[rate], strict=True)
        }
        return frame.assign(**of_rates)

    def totals(self, *asked: str | Rate) -> pd.Series:
        """Return each metric over all sessions, null where there are none."""
        frame = self.groups(*asked)
        return frame.iloc[0] if len(frame) else pd.Series(np.nan, index=frame.columns)

    def empty(self, *asked: str | Rate, by: Sequence[str]) -> pd.DataFrame:
        """Return no group, with the columns of `groups`."""
        nothing = _Metrics(lambda names, by: pd.DataFrame(columns=[*by, *names]), self.semantics)
        return nothing.groups(*asked, by=by)


def _counts(semantics: dict, rate: Rate) -> tuple[str, str]:
    defined = ratio(semantics, rate.metric)
    return defined.numerator.metric, defined.denominator.metric


def _blanked(cohorts: pd.DataFrame) -> pd.DataFrame:
    metrics = [column for column in cohorts if column.startswith("voice_ai_")]
    shown = cohorts["suppressed"] == ""
    return cohorts.assign(**{metric: cohorts[metric].where(shown) for metric in metrics})


def _plain(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return metrics as floats, instants without zone, and dimensions as text or None."""
    columns = {}
    for name in frame:
        if name in metrics:
            columns[name] = pd.to_numeric(frame[name]).astype(float)
        elif pd.api.types.is_datetime64_any_dtype(frame[name]):
            columns[name] = frame[name].dt.tz_localize(None)
        else:
            columns[name] = pd.Series([_text(v) for v in frame[name]], frame.index, dtype=object)
    return pd.DataFrame(columns)


def _text(value) -> str | None:
    if pd.isna(value):
        return None
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _notice(totals: pd.Series, min_cohort_size: int) -> str:
    if not totals[SESSIONS] > 0:
        return "There is no certified session yet."
    if is_small(cohort_size(totals[USERS], totals[SESSIONS]), min_cohort_size):
        return f"All sessions together are {SMALL.format(min_cohort_size)}."
    return ""


def _gap(gap: Gap, cohorts: pd.DataFrame) -> dict:
    """Return the sums of both sides, unless they reveal a suppressed cohort."""
    reason = suppressed_comparison(cohorts, gap.group, gap.reference)
    is_group = cohorts["cohort"] == gap.group
    is_reference = cohorts["cohort"] == gap.reference
    if gap.reference is None:
        is_reference = cohorts["cohort"].notna() & ~is_group
    row = {"label": gap.label, "suppressed": reason}
    for side, members in (("group", is_group), ("reference", is_reference)):
        sums = cohorts.loc[members, [COMPLETION.numerator, COMPLETION.denominator]]
        completed, eligible = (np.nan, np.nan) if reason else sums.sum(min_count=1)
        row |= {f"{side}_completed": completed, f"{side}_eligible": eligible}
    return row


def _rows(warehouse, model: str, order: str) -> pd.DataFrame:
    # The name comes quoted from dbt's manifest.
    return warehouse.query(f"select * from {warehouse.relation(model)} order by {order}")  # noqa: S608

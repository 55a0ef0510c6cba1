"""The sessions and word errors that two ASR releases are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template

import numpy as np
import pandas as pd

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.where import nearest
from voice_ai_analytics.rates import (
    ABANDONMENT,
    COMPLETION,
    ERROR_TURN,
    TRANSFER,
    WORD_ERROR,
    Rate,
    rate_columns,
)
from voice_ai_analytics.warehouse import Warehouse
from voice_ai_analytics.wording import NOT_KNOWN

# The columns that define the mix; the last one is dropped first where strata are too thin.
MIX = ("language", "channel", "region", "has_disability", "is_first_time_digital_user")


@dataclass(frozen=True)
class Metric:
    """A rate that two releases are compared by.

    Parameters
    ----------
    name : str
        As it is shown.
    rate : Rate
        Its definition, which names the columns of a frame.
    unit : str
        What the denominator counts.
    more_is_better : bool
        Whether a higher rate is an improvement.
    """

    name: str
    rate: Rate
    unit: str
    more_is_better: bool = False

    @property
    def is_ratio(self) -> bool:
        """Return whether a session can count more than once."""
        return self.unit != "sessions"


METRICS = (
    Metric("completion", COMPLETION, "sessions", more_is_better=True),
    Metric("abandonment", ABANDONMENT, "sessions"),
    Metric("transfer", TRANSFER, "sessions"),
    Metric("error turns", ERROR_TURN, "turns"),
)
WORD_ERRORS = Metric("word errors", WORD_ERROR, "words")


def read_releases(source: Source, before: str, after: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sessions of two releases and their word errors.

    Parameters
    ----------
    source : Source
        Certified sessions.
    before, after : str
        Values of `asr_model`.

    Returns
    -------
    sessions, evaluations : pandas.DataFrame
        One row per session; `is_after` is 1 for the later release. An evaluated session has errors
        and words of both releases, null where one of them transcribed none of its turns.

    Raises
    ------
    UserError
        Where both are the same, the warehouse has no session of one of them, or the last session
        with `after` came before the first with `before`.
    """
    if before == after:
        raise UserError(f"--before and --after are both {before!r}: name two ASR releases")
    warehouse, semantics = source.warehouse, source.project.semantics
    models = warehouse.query(_sql("models", warehouse, sessions=source.sessions))
    _check_releases(models, before, after)
    rates = rate_columns(semantics, [metric.rate for metric in METRICS])
    query = _sql("sessions", warehouse, sessions=source.sessions, rates=rates)
    served = warehouse.query(query, (after, before, after))
    evaluations = source.relation("fact_voice_ai_asr_evaluations")
    if not evaluations:
        return served, pd.DataFrame()
    relations = {"sessions": source.sessions, "evaluations": evaluations}
    rates = rate_columns(semantics, [WORD_ERROR])
    query = _sql("evaluations", warehouse, **relations, rates=rates)
    evaluated = warehouse.query(query, (after, before))
    # A column of nulls has no type on PostgreSQL.
    sums = {name: float for name in evaluated if "errors" in name or "words" in name}
    return served, evaluated.astype(sums)


def releases(warehouse: Warehouse, sessions: str) -> list[str]:
    """Return the ASR models of a relation of sessions, in the order of their first session."""
    models = warehouse.query(_sql("models", warehouse, sessions=sessions))
    return models["asr_model"].tolist()


def _sql(name: str, warehouse: Warehouse, **parts: str) -> str:
    template = (
        files("voice_ai_analytics.releases").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    )
    mark = "?" if warehouse.engine == "duckdb" else "%s"
    return Template(template).substitute(mark=mark, **parts)


def _check_releases(models: pd.DataFrame, before: str, after: str) -> None:
    there = models["asr_model"].tolist()
    if not there:
        told = "no session in the warehouse has an asr_model; nothing was compared"
        raise UserError(told, exit_code=3)
    for option, name in (("--before", before), ("--after", after)):
        if name not in there:
            shown = ", ".join(there[:20]) + (", …" if len(there) > 20 else "")
            raise UserError(
                f"{option} {name!r}: no session has this asr_model; there are {shown}"
                f"{nearest(name, there)}"
            )
    days = models.set_index("asr_model")
    if days["last_day"][after] < days["first_day"][before]:
        raise UserError(
            f"the last session with {after} was before the first with {before};"
            f" use --before {after} --after {before}"
        )


def metric_rows(sessions: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the rows that a metric is compared on.

    Parameters
    ----------
    sessions : pandas.DataFrame
        From `read_releases`, either one.
    metric : Metric
        One of `METRICS` for sessions, or `WORD_ERRORS` for evaluated sessions.

    Returns
    -------
    pandas.DataFrame
        One row per session and release whose denominator is above 0: `numerator`, `denominator`,
        `is_after`, `cluster` (of its user; a session without one is its own), `has_user`, `week`
        (its Monday), and the columns of `MIX`, where null is "not known".
    """
    if metric is not WORD_ERRORS:
        return _rows(sessions, sessions[metric.rate.numerator], sessions[metric.rate.denominator])
    arms = [
        sessions.assign(
            errors=sessions[f"errors_{arm}"], words=sessions[f"words_{arm}"], is_after=number
        )
        for number, arm in enumerate(("before", "after"))
    ]
    sessions = pd.concat(arms, ignore_index=True)
    return _rows(sessions, sessions["errors"], sessions["words"])


def session_rows(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per session, as `metric_rows` does, where every session counts once."""
    ones = pd.Series(1, sessions.index)
    return _rows(sessions, ones, ones)


def _rows(sessions: pd.DataFrame, numerator: pd.Series, denominator: pd.Series) -> pd.DataFrame:
    rows = sessions.assign(
        numerator=pd.to_numeric(numerator).astype(float),
        denominator=pd.to_numeric(denominator).astype(float),
        is_after=sessions["is_after"] == 1,
        week=mondays(sessions["started_on"]),
        has_user=sessions["user_key"].notna(),
        **{name: sessions[name].astype(object).fillna(NOT_KNOWN).astype(str) for name in MIX},
    )
    rows = rows[(rows["denominator"] > 0) & rows["numerator"].notna()].reset_index(drop=True)
    names = ["numerator", "denominator", "is_after", "week", "has_user", *MIX]
    return rows.assign(cluster=users(rows))[["cluster", *names]]


def mondays(days: pd.Series) -> pd.Series:
    """Return the Monday of each day's week."""
    days = pd.to_datetime(days)
    return days - pd.to_timedelta(days.dt.day_of_week, unit="D")


def users(rows: pd.DataFrame) -> np.ndarray:
    """Return the number of each row's user, from 0 upwards; a session without one is its own."""
    known = rows["user_key"].notna()
    return pd.factorize(rows["user_key"].where(known, rows["session_key"]))[0]

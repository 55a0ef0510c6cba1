"""The sessions and openings that cohorts and segments are found in."""

from __future__ import annotations

from importlib.resources import files
from string import Template


def sessions_query(sessions_relation: str, rates: str) -> str:
    """Return the SQL of the frame of sessions, which runs on DuckDB and PostgreSQL.

    Parameters
    ----------
    sessions_relation : str
        The certified sessions, quoted as in dbt's manifest, or any relation like it.
    rates : str
        A select list from `rate_columns`.

    Returns
    -------
    str
        A query with one row per session: keys, numerators and denominators of rates, cohorts as
        text, and `started_hour` (0 to 23, UTC; null where only the day is known).
    """
    return _template("sessions.sql").substitute(sessions=sessions_relation, rates=rates)


def openings_query(turns_relation: str, k: int) -> str:
    """Return the SQL of the frame of openings, which runs on DuckDB and PostgreSQL.

    Parameters
    ----------
    turns_relation : str
        The certified turns, quoted as in dbt's manifest.
    k : int
        How many user turns make up the opening of a session.

    Returns
    -------
    str
        A query with one row per session with at least k user turns: `session_key`, counts of
        errors and interruptions among them, and means of confidences in [0, 1].
    """
    return _template("openings.sql").substitute(turns=turns_relation, k=k)


def _template(name: str) -> Template:
    return Template(files("voice_ai_analytics.segments").joinpath(name).read_text(encoding="utf-8"))

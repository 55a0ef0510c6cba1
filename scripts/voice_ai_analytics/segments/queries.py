"""The queries that make the frames which cohorts and segments are found in."""

from importlib.resources import files
from string import Template


def sessions_query(sessions_relation: str) -> str:
    """Write the SQL of the frame of sessions, the same for DuckDB and PostgreSQL.

    Parameters
    ----------
    sessions_relation : str
        The certified sessions, quoted as dbt's manifest gives them, or any relation like it.

    Returns
    -------
    str
        A query with one row a session: keys, outcome, counts of turns, cohorts as texts, and
        `started_hour` (0 to 23, UTC; null where only the day is known).
    """
    return _template("sessions.sql").substitute(sessions=sessions_relation)


def openings_query(turns_relation: str, k: int) -> str:
    """Write the SQL of the frame of openings, the same for DuckDB and PostgreSQL.

    Parameters
    ----------
    turns_relation : str
        The certified turns, quoted as dbt's manifest gives them.
    k : int
        How many of a session's first user turns are its opening.

    Returns
    -------
    str
        A query with one row a session that has k user turns or more: `session_key`, counts of
        errors and interruptions among them, and means of confidences in [0, 1].
    """
    return _template("openings.sql").substitute(turns=turns_relation, k=k)


def _template(name: str) -> Template:
    return Template(files("voice_ai_analytics.segments").joinpath(name).read_text(encoding="utf-8"))

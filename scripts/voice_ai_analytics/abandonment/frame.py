"""The session features that the abandonment model is fitted to."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from voice_ai_analytics.errors import UserError


def feature_query(sessions_relation: str, turns_relation: str, k: int) -> str:
    """Return the SQL of the feature frame, which runs on DuckDB and PostgreSQL.

    Parameters
    ----------
    sessions_relation, turns_relation : str
        The certified sessions and turns, quoted as in dbt's manifest.
    k : int
        How many user turns make up the opening of a session.

    Returns
    -------
    str
        A query with one row per session: keys, outcome, `opening_user_turns` (how many of the k
        there were), features known before the end, and three measured after it. Proportions and
        confidences are in [0, 1], durations in seconds.

    Raises
    ------
    UserError
        If k is not a whole number of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UserError(f"k is {k!r}, but must be a whole number of user turns, 1 or more")
    return _filled("features.sql", sessions=sessions_relation, turns=turns_relation, k=k)


def openings_query(turns_relation: str) -> str:
    """Return the SQL of the openings for other k, which runs on DuckDB and PostgreSQL.

    Parameters
    ----------
    turns_relation : str
        The certified turns, quoted as in dbt's manifest.

    Returns
    -------
    str
        A query with one row per session with a user turn: `session_key`, and the opening columns
        of `feature_query` for the first 1, 2, 3 and 5 user turns. Column names end in that number.
    """
    return _filled("openings.sql", turns=turns_relation)


def _filled(file: str, **values) -> str:
    template = files("voice_ai_analytics.abandonment").joinpath(file).read_text(encoding="utf-8")
    return Template(template).substitute(values)

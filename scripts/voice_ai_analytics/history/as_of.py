"""Moments of the past, and the certified sessions as they were known then."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from voice_ai_analytics.errors import UserError

if TYPE_CHECKING:
    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Warehouse

SNAPSHOT = "snapshot.voice_ai_analytics.voice_ai_session_outcomes"
MOMENTS = "write 2026-03-04 for the end of that day in UTC, or 2026-03-04T12:00:00Z"


def as_of_moment(text: str, now: datetime | None = None) -> datetime:
    """Return a moment of the past.

    Parameters
    ----------
    text : str
        A date, which means its end in UTC, or an instant in ISO 8601; UTC where it has no zone.
    now : datetime, optional
        With a zone; the current time where not given.

    Returns
    -------
    datetime
        UTC, without a zone.

    Raises
    ------
    UserError
        Where it is neither, or lies in the future. Today is allowed: it means what is known so
        far.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    try:
        moment = datetime.combine(date.fromisoformat(text), time.max)
        is_to_come = moment.date() > now.date()
    except ValueError:
        try:
            moment = _without_zone(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:
            raise UserError(f"as of {text!r}: isn't a date or an instant; {MOMENTS}") from error
        is_to_come = moment > now
    if is_to_come:
        raise UserError(f"as of {text}: lies in the future")
    return moment


def _without_zone(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def told(moment: datetime) -> str:
    """Return a moment from `as_of_moment` as text: a whole day by its date."""
    if moment.time() == time.max:
        return f"{moment:%Y-%m-%d}, end of day UTC"
    return f"{moment.isoformat(sep=' ')} UTC"


def as_of_sessions(project: DbtProject, moment: datetime) -> str:
    """Return the certified sessions at a moment, to be read in place of the fact.

    Parameters
    ----------
    project : DbtProject
        Built with the var ``voice_ai_snapshot`` on.
    moment : datetime
        UTC without a zone, as from `as_of_moment`; see `check_history`.

    Returns
    -------
    str
        A SQL subquery in parentheses, without an alias: every column of the fact, with
        ``dbt_valid_from`` and ``dbt_valid_to``, the period in which the row was valid.

    Raises
    ------
    UserError
        Where the project keeps no history.
    """
    instant = f"cast('{moment.isoformat(sep=' ')}' as timestamp)"
    return (
        f"(select * from {_snapshot(project)} where dbt_valid_from <= {instant}"
        f" and (dbt_valid_to > {instant} or dbt_valid_to is null))"
    )


def _snapshot(project: DbtProject) -> str:
    node = project.manifest["nodes"].get(SNAPSHOT)
    if node is None:
        raise UserError(
            f"{project.directory}: keeps no history; leave the var voice_ai_snapshot true and run"
            " dbt build"
        )
    return node["relation_name"]


def check_history(project: DbtProject, warehouse: Warehouse, moment: datetime) -> None:
    """Refuse a moment before history begins.

    Raises
    ------
    UserError
        Says when history begins.
    """
    with warehouse.transaction() as transaction:
        query = f"select min(dbt_valid_from) from {_snapshot(project)}"
        ((since,),) = transaction.run(query)
    if since is None:
        raise UserError("there is no history yet: no session has been certified")
    if moment < since:
        raise UserError(
            f"as of {told(moment)}: history begins with the build of {since:%Y-%m-%d %H:%M:%S} UTC"
        )

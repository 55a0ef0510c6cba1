"""Our figures of a platform by quarter of an hour, which add up to the days of any time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, Warehouse, quoted

QUARTER = 900
# By engine: the number of the quarter since 1970.
QUARTERS = {
    "duckdb": "cast(floor(epoch(started_at) / 900) as bigint)",
    "postgres": "cast(floor(extract(epoch from started_at) / 900) as bigint)",
}


@dataclass(frozen=True)
class Ours:
    """What the warehouse has of a platform.

    Parameters
    ----------
    quarters : list of dict
        Certified sessions: ``at`` in UTC, ``sessions``, ``minutes``, ``cost``, and how many are
        ``not_connected``, ``in_progress``, ``loaded_since``, without a duration or a cost.
    quarantined : list of tuple
        When, in UTC or None, for which reasons, and how many rows.
    unbuilt : int
        Payloads that were loaded after the last build.
    """

    quarters: list[dict]
    quarantined: list[tuple[datetime | None, str, int]]
    unbuilt: int


def read_ours(warehouse: Warehouse, platform: str, written_at: datetime) -> Ours:
    """Read what the warehouse has of a platform.

    Parameters
    ----------
    warehouse : Warehouse
        Of a built project.
    platform : str
        As sessions name it.
    written_at : datetime
        Sessions that were first loaded later are counted as loaded since.

    Raises
    ------
    UserError
        If it has none of the platform.
    """
    fact = warehouse.relation("fact_voice_ai_sessions")
    quarantine = warehouse.relation("quarantine_voice_ai__sessions")
    quarter = QUARTERS[warehouse.engine]
    with warehouse.transaction() as transaction:
        mark = transaction.mark
        names = (
            "sessions", "minutes", "cost", "not_connected", "in_progress", "loaded_since",
            "no_duration", "no_cost",
        )  # fmt: skip
        rows = transaction.run(
            f"""
            select {quarter}, count(*), sum(duration_seconds) / 60, sum(cost_usd),
                count(case when outcome = 'not_connected' then 1 end),
                count(case when outcome = 'in_progress' then 1 end),
                count(case when first_loaded_at > {mark} then 1 end),
                count(case when duration_seconds is null then 1 end),
                count(case when cost_usd is null then 1 end)
            from {fact}
            where platform = {mark}
            group by 1
            """,
            written_at,
            platform,
        )
        rejected = transaction.run(
            f"""
            select {quarter}, quarantine_reasons, count(*)
            from {quarantine}
            where platform = {mark} and quarantine_reasons <> 'duplicate'
            group by 1, 2
            """,
            platform,
        )
        if not rows and not rejected:
            known = transaction.run(f"select distinct platform from {fact} order by 1")
            told = ", ".join(name for (name,) in known) or "none"
            raise UserError(f"{platform}: no session of this platform; there are {told}")
        unbuilt = _unbuilt(warehouse, transaction, platform, fact)
    return Ours(
        [
            {"at": _moment(at)}
            | dict(zip(names, (float(value or 0) for value in values), strict=True))
            for at, *values in rows
        ],
        [(_moment(at), reasons, count) for at, reasons, count in rejected],
        unbuilt,
    )


def _unbuilt(warehouse: Warehouse, transaction: Transaction, platform: str, fact: str) -> int:
    """Return how many payloads of the platform's raw table are newer than any session."""
    schema = str(warehouse.project.var("voice_ai_source_schema") or "voice_ai_raw")
    if platform not in transaction.tables(schema):
        return 0
    raw = f"{quoted(schema)}.{quoted(platform)}"
    columns = transaction.columns(f"select * from {raw}")
    if "payload" not in columns or "loaded_at" not in columns:
        return 0
    ((count,),) = transaction.run(
        f"select count(*) from {raw} where loaded_at > ("
        f" select max(last_loaded_at) from {fact} where platform = {transaction.mark})",
        platform,
    )
    return count


def _moment(quarter: int | None) -> datetime | None:
    if quarter is None:
        return None
    return datetime.fromtimestamp(quarter * QUARTER, UTC).replace(tzinfo=None)

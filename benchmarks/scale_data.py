"""Generates raw tables for the benchmark, in the input contract's columns, a day at a time.

Every value is a function of its session's number, so a day is the same whenever it is generated. A
day has ten turns per session, and what real platforms send: sessions of the day before with a
new outcome, turns of the day before sent again or late, returning users, new users, and about one
row in 500 that breaks a rule. One of the three platforms numbers its turns from 0 in each session;
the others give each turn a unique id. Confidences are multiples of 1/1024, so that their sums don't
depend on the order of addition and tables can be compared bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

TABLES = ("sessions", "turns", "users")

# Ten turns per session. Users return within ninety days; one in twenty after any length of time.
MACROS = """
create or replace temp macro noise(n) as cast(hash(n) >> 1 as bigint);

create or replace temp macro start_time(n, per_day) as
    timestamp '2021-01-01' + to_microseconds(cast(n * (86400e6 / per_day) as bigint));

create or replace temp macro load_time(n, day, per_day) as
    timestamp '2021-01-01 02:00:00' + to_days(cast(day + 1 as integer))
    + to_microseconds(cast(n % per_day * (1200e6 / per_day) as bigint));

create or replace temp macro session_rows(first, last, day, per_day) as table
with numbered as (
    select
        range as n,
        noise(range) as h,
        range // 3 as newest_user,
        start_time(range, per_day) as started_at
    from range(cast(first as bigint), cast(last as bigint))
),
drawn as (
    select
        *,
        30 + h // 13 % 600 as seconds,
        case when h % 20 = 1 then newest_user else least(newest_user, 30 * per_day) end
            as known_users
    from numbered
)
select
    'session-' || n as session_id,
    ['alpha', 'beta', 'gamma'][1 + h % 3] as platform,
    case when h % 20 <> 0 then 'user-' || (newest_user - h // 37 % greatest(known_users, 1)) end
        as user_id,
    case when h % 1000 = 7 then ' Voice ' else ['voice', 'ivr', 'chat'][1 + h // 3 % 3] end
        as channel,
    ['en-US', 'de', 'ar', 'zh_hans'][1 + h // 11 % 4] as "language",
    started_at,
    started_at + to_seconds(seconds) as ended_at,
    cast(seconds as double) as duration_seconds,
    10 as turn_count,
    ['completed', 'abandoned', 'transferred', 'Timed out', 'strange'][1 + h // 17 % 5]
        as outcome_raw,
    case when h // 17 % 5 = 2 then 'asked' end as transfer_reason,
    'bot-' || h // 19 % 3 as bot_version,
    'asr-' || h // 23 % 2 as asr_model,
    cast(case when h % 2000 = 3 then 9 when h % 4 = 0 then 1 + h // 29 % 5 end as double)
        as csat_score,
    h // 31 % 100 / 64.0::double as cost_usd,
    started_at + interval 1 hour as updated_at,
    load_time(n, day, per_day) as loaded_at
from drawn;

create or replace temp macro turn_rows(first, last, day, per_day) as table
with numbered as (
    select
        range as n,
        range // 10 as s,
        range % 10 as k,
        noise(range // 10) as of_session,
        noise(range * 31 + 7) as h,
        start_time(range // 10, per_day) + to_seconds(range % 10 * 3) as started_at
    from range(cast(first * 10 as bigint), cast(last * 10 as bigint))
)
select
    if(of_session % 3 = 1, k::varchar, 'turn-' || n) as turn_id,
    case h % 4000 when 1 then 'nobody' when 2 then ' session-' || s else 'session-' || s end
        as session_id,
    ['alpha', 'beta', 'gamma'][1 + of_session % 3] as platform,
    cast(case when h % 3000 = 5 then greatest(k - 2, 0) else k end as integer) as turn_index,
    case
        when h % 2000 = 7 then null
        when k % 2 = 0 then 'assistant'
        when h % 1000 = 9 then 'User'
        else 'user'
    end as speaker,
    started_at,
    started_at + interval 2 second as ended_at,
    case
        when k % 2 = 1 and h % 1000 = 11 then 95
        when k % 2 = 1 then h // 8 % 1025 / 1024.0::double
    end as asr_confidence,
    case when k % 2 = 1 then 'intent-' || h // 7 % 20 end as intent,
    case when k % 2 = 1 then h // 16 % 1025 / 1024.0::double end as intent_confidence,
    case
        when h // 5 % 12 = 0
            then [
                'misunderstanding', 'no_input', 'noise', 'no_match', 'repeat', 'Crash', ''
            ][1 + h // 60 % 7]
    end as error_type,
    cast(case when k % 2 = 0 then 200 + h // 9 % 2000 end as double) as response_latency_ms,
    h // 4 % 15 = 0 as is_interruption,
    cast(null as varchar) as transcript,
    started_at + interval 1 hour as updated_at,
    load_time(s, day, per_day) as loaded_at
from numbered;
"""

# Rows of the day before come first: those that changed, were resent or arrive late.
DAYS = {
    "sessions": """
select * replace ('completed' as outcome_raw, updated_at + interval 1 day as updated_at)
from session_rows({yesterday}, {first}, {day}, {per_day})
where noise(session_id) % 100 = 0
union all
from session_rows({first}, {last}, {day}, {per_day})
""",
    "turns": """
select * replace (if(turn_index = 3, null, error_type) as error_type)
from turn_rows({yesterday}, {first}, {day}, {per_day})
where turn_index = 9 and noise(session_id) % 100 = 1 or noise(session_id || turn_id) % 250 = 0
union all
from turn_rows({first}, {last}, {day}, {per_day})
where turn_index < 9 or noise(session_id) % 100 <> 1
""",
    "users": """
select
    'user-' || range as user_id,
    ['Rural', 'urban'][1 + noise(range) % 2] as region,
    noise(range) % 9 = 0 as has_disability,
    noise(range) % 5 = 0 as is_first_time_digital_user,
    load_time(range * 3, {day}, {per_day}) as loaded_at
from range({first} // 3, {last} // 3) where noise(range) % 100 > 0
""",
}


@dataclass(frozen=True)
class History:
    """A number of days with the same number of sessions each."""

    days: int
    per_day: int

    @property
    def sessions(self) -> int:
        """Return the total number of sessions."""
        return self.days * self.per_day

    def day(self, table: str, day: int) -> str:
        """Return the query for the rows of one table loaded on a day; days count from zero."""
        first = day * self.per_day
        return DAYS[table].format(
            day=day,
            per_day=self.per_day,
            yesterday=max(first - self.per_day, 0),
            first=first,
            last=first + self.per_day,
        )


def write_history(history: History, path: Path) -> None:
    """Write the raw tables of a whole history to a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(MACROS)
        connection.execute("create schema voice_ai_raw")
        for table in TABLES:
            name = f"voice_ai_raw.{table}"
            connection.execute(f"create table {name} as {history.day(table, 0)}")
            for day in range(1, history.days):
                connection.execute(f"insert into {name} {history.day(table, day)}")
        connection.execute("checkpoint")

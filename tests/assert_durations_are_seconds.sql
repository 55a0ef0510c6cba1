-- Mistake prevented: a platform reports milliseconds instead of seconds. Each duration is possible by itself, but most of
-- a platform's calls don't last longer than six hours, or a hundred times as long as from their start to their end.
{%- set build = voice_ai_analytics.this_build() %}

with timed as (

    select
        platform,
        coalesce(
            (channel in ('voice', 'ivr') and duration_seconds > 6 * 3600)
            or (
                is_started_at_time_known
                and duration_seconds
                > 100 * greatest({{ voice_ai_analytics.seconds_between('started_at', 'ended_at') }}, 1)
            ),
            false
        ) as is_too_long
    from {{ ref('int_voice_ai__sessions_candidate') }}
    where duration_seconds > 0 and (channel in ('voice', 'ivr') or ended_at is not null)

)

select
    platform,
    count(*) as timed_sessions,
    count(case when is_too_long then 1 end) as sessions_that_are_too_long
from timed
group by rollup(platform)
having
    count(case when is_too_long then 1 end) * 2 > count(*)
    -- A batch, or a stray platform, can be a handful of sessions, of which a few odd ones aren't a mistaken unit.
    and (count(case when is_too_long then 1 end) >= 10{{ ' or grouping(platform) = 1' if build.is_full }})

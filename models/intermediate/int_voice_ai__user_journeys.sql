with sessions as (

    select *
    from {{ ref('stg_voice_ai__sessions') }}
    where user_key is not null

),

data_horizon as (

    select max(started_at) as last_started_at from {{ ref('stg_voice_ai__sessions') }}

),

neighbours as (

    select
        session_key,
        coalesce(ended_at, started_at) as ended_at,
        is_started_at_time_known,
        row_number() over user_sessions as user_session_number,
        lead(started_at) over user_sessions as next_started_at,
        lead(is_started_at_time_known) over user_sessions as is_next_started_at_time_known
    from sessions
    window user_sessions as (partition by user_key order by started_at, session_key)

)

select
    neighbours.session_key,
    neighbours.user_session_number,
    (
        neighbours.is_started_at_time_known
        and {{ voice_ai_analytics.add_seconds('neighbours.ended_at', 86400) }} <= data_horizon.last_started_at
        -- A next session of which only the day is known may lie on either side of the limit.
        and (
            coalesce(neighbours.is_next_started_at_time_known, true)
            or neighbours.next_started_at > {{ voice_ai_analytics.add_seconds('neighbours.ended_at', 86400) }}
        )
    ) as is_callback_24h_known,
    coalesce(
        neighbours.next_started_at
        <= {{ voice_ai_analytics.add_seconds('neighbours.ended_at', 86400) }}, false
    ) as is_called_back_24h,
    coalesce(
        neighbours.next_started_at
        <= {{ voice_ai_analytics.add_seconds('neighbours.ended_at', 7 * 86400) }}, false
    ) as is_followed_by_return_7d
from neighbours
cross join data_horizon

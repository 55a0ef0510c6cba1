-- Adoption: do people choose it and come back?
-- One row per week, starting on Monday. The last week may be incomplete. The callback rate covers only sessions old
-- enough to tell.
select
    date_trunc('week', started_at) as week,
    count(*) as sessions,
    cast(sum(case when channel = 'voice' then 1 else 0 end) as double precision)
    / nullif(count(channel), 0) as voice_session_share,
    count(distinct user_key) as users,
    cast(count(distinct case when is_repeat_user_session then user_key end) as double precision)
    / nullif(count(distinct user_key), 0) as repeat_user_rate,
    cast(sum(case when is_called_back_24h then 1 else 0 end) as double precision)
    / nullif(sum(case when is_callback_24h_known then 1 else 0 end), 0) as callback_rate_24h
from {{ ref('fact_voice_ai_sessions') }}
group by 1
order by 1

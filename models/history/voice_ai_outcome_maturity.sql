{{ config(enabled=var('voice_ai_snapshot', true)) }}

{%- set rule = voice_ai_analytics.settling_rule() %}

with history_end as (

    select max(cast(certified_at as date)) as last_day
    from {{ ref('voice_ai_builds') }}

),

days as (

    select
        cast(sessions.started_at as date) as started_on,
        count(*) as sessions,
        greatest(max(history_end.last_day) - cast(sessions.started_at as date), 0) as age_days
    from {{ ref('fact_voice_ai_sessions') }} as sessions
    cross join history_end
    group by cast(sessions.started_at as date)

)

select
    days.started_on,
    days.sessions,
    days.age_days,
    1 - settling.settled_proportion as expected_change_proportion,
    settling.sessions as followed_sessions,
    1 - settling.settled_proportion <= {{ rule.max_change_proportion }} as is_mature
from days
-- At the horizon and beyond, the last age before it is the best available estimate.
left join {{ ref('voice_ai_outcome_settling') }} as settling
    on settling.age_days = least(days.age_days, {{ rule.horizon_days - 1 }})

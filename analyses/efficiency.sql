-- Efficiency: what does a session cost?
-- One row per channel. Containment includes abandonment, so it's shown next to completion.
select
    channel,
    count(*) as sessions,
    cast(sum(turn_count) as double precision) / count(*) as turns_per_session,
    sum(duration_seconds) / nullif(count(duration_seconds), 0) as handle_time_seconds,
    cast(sum(error_turn_count) as double precision) / nullif(count(error_turn_count), 0) as error_turns_per_session,
    sum(cost_usd) / nullif(sum(case when is_completed and cost_usd is not null then 1 else 0 end), 0)
        as cost_per_completed_session,
    cast(sum(case when is_contained then 1 else 0 end) as double precision)
    / nullif(sum(case when is_eligible then 1 else 0 end), 0) as containment_rate,
    cast(sum(case when is_completed then 1 else 0 end) as double precision)
    / nullif(sum(case when is_eligible then 1 else 0 end), 0) as completion_rate
from {{ ref('fact_voice_ai_sessions') }}
group by channel
order by sessions desc

-- One row per session: how it ended, what was known from its first $k user turns and about its user,
-- and what is known only afterwards. A session without user turns has null openings.
with opening as (
    select
        session_key,
        count(*) as opening_user_turns,
        avg(asr_confidence) as opening_asr_confidence,
        avg(case when is_error then 1.0 when not is_error then 0.0 end) as opening_error_proportion,
        avg(intent_confidence) as opening_intent_confidence
    from $turns as turns
    where user_turn_number <= $k
    group by session_key
)

select
    sessions.session_key,
    sessions.user_key,
    sessions.outcome,
    sessions.is_eligible,
    coalesce(opening.opening_user_turns, 0) as opening_user_turns,
    -- PostgreSQL averages into numeric, which Python reads as Decimal.
    cast(opening.opening_asr_confidence as double precision) as opening_asr_confidence,
    cast(opening.opening_error_proportion as double precision) as opening_error_proportion,
    cast(opening.opening_intent_confidence as double precision) as opening_intent_confidence,
    -- The model reads columns as features. Where it can use only some of them, it keeps the first ones.
    sessions.channel,
    sessions.language,
    sessions.platform,
    sessions.is_first_time_digital_user,
    sessions.has_disability,
    sessions.region,
    sessions.asr_model,
    cast(sessions.duration_seconds as double precision) as duration_seconds,
    cast(sessions.turn_count as double precision) as turn_count,
    cast(sessions.user_turn_count as double precision) as user_turn_count
from $sessions as sessions
left join opening on sessions.session_key = opening.session_key

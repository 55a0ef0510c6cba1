-- One row per certified turn that $ids names by $key, with its session and the recognizer's confidence.
-- Of several versions, the one that the facts count: the latest valid one.
-- Materialized, because an engine that guesses how few rows are valid would compare each of them with every session.
with named as materialized (
    select platform, session_id, turn_id, asr_confidence, updated_at, loaded_at, quarantine_reasons
    from $turns
    where ($key) in (select $key from $ids where session_id is $null)
)

select
    platform,
    session_id,
    turn_id,
    session_key,
    user_key,
    language,
    asr_model,
    channel,
    region,
    has_disability,
    is_first_time_digital_user,
    asr_confidence
from (
    select
        named.platform,
        named.session_id,
        named.turn_id,
        sessions.session_key,
        sessions.user_key,
        sessions.language,
        sessions.asr_model,
        sessions.channel,
        sessions.region,
        cast(sessions.has_disability as text) as has_disability,
        cast(sessions.is_first_time_digital_user as text) as is_first_time_digital_user,
        cast(named.asr_confidence as double precision) as asr_confidence,
        row_number() over (
            partition by named.platform, named.session_id, named.turn_id
            order by
                named.updated_at desc nulls last,
                named.loaded_at desc nulls last,
                named.asr_confidence desc nulls last
        ) as version_number
    from named
    inner join $sessions as sessions
        on named.platform = sessions.platform and named.session_id = sessions.session_id
    where named.quarantine_reasons is null
) as versions
where version_number = 1

-- One row a turn of $ids that belongs to a certified session: that session, and how sure the recogniser was.
-- Of several versions the one that the facts count: the latest good one.
-- Materialised, because an engine that guesses how few rows are good would compare each of them with every session.
with evaluated as materialized (
    select *
    from $turns
    where (platform, turn_id) in (select platform, turn_id from $ids)
)

select
    platform,
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
        given.platform,
        given.turn_id,
        sessions.session_key,
        sessions.user_key,
        sessions.language,
        sessions.asr_model,
        sessions.channel,
        sessions.region,
        cast(sessions.has_disability as text) as has_disability,
        cast(sessions.is_first_time_digital_user as text) as is_first_time_digital_user,
        cast(given.asr_confidence as double precision) as asr_confidence,
        row_number() over (
            partition by given.platform, given.turn_id
            order by given.updated_at desc nulls last, given.loaded_at desc nulls last, given.session_id desc
        ) as version_number
    from evaluated as given
    inner join $sessions as sessions
        on given.platform = sessions.platform and given.session_id = sessions.session_id
    where given.quarantine_reasons is null
) as versions
where version_number = 1

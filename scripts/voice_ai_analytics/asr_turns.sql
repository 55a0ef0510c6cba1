-- One row a turn of $ids that belongs to a certified session: that session, and how sure the recogniser was.
-- Of several versions the one that the facts count: the latest good one.
with evaluated as materialized (

    select distinct platform, turn_id
    from $ids

),

-- Materialised before bad rows are left out, because an engine that guesses how few are good would compare every turn
-- with every evaluated one.
given as materialized (

    select
        turns.platform,
        turns.turn_id,
        turns.session_id,
        turns.asr_confidence,
        turns.updated_at,
        turns.loaded_at,
        turns.quarantine_reasons
    from $turns as turns
    inner join evaluated on turns.platform = evaluated.platform and turns.turn_id = evaluated.turn_id

),

versions as (

    select
        given.platform,
        given.turn_id,
        given.asr_confidence,
        sessions.session_key,
        sessions.user_key,
        sessions.language,
        sessions.asr_model,
        sessions.channel,
        sessions.region,
        sessions.has_disability,
        sessions.is_first_time_digital_user,
        row_number() over (
            partition by given.platform, given.turn_id
            order by given.updated_at desc nulls last, given.loaded_at desc nulls last, given.session_id desc
        ) as version_number
    from given
    inner join $sessions as sessions
        on given.platform = sessions.platform and given.session_id = sessions.session_id
    where given.quarantine_reasons is null

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
    cast(has_disability as text) as has_disability,
    cast(is_first_time_digital_user as text) as is_first_time_digital_user,
    cast(asr_confidence as double precision) as asr_confidence
from versions
where version_number = 1

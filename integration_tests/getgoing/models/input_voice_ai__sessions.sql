-- One row per call folder. A folder without a log is a call whose course and end weren't recorded: a session without
-- turns, which starts when metadata.json says. The channel is ivr, because this is a spoken service on the telephone,
-- not a personal voice assistant. Nothing in the data says how a call ended, so outcomes are unknown.

with calls as (

    select
        folders.call_id,
        -- 'Salted__' in base 64: enciphered with a new salt in each call, so a caller can't be recognized.
        case when metadata.number not like 'U2FsdGVkX1%' then metadata.number end as caller,
        {{ voice_ai_analytics.read_timestamp({'metadata.time': 'text'}, 'metadata.time') }} as came_in_at,
        {{ voice_ai_analytics.read_timestamp({'logs.start_time': 'text'}, 'logs.start_time') }} as eastern_start,
        {{ voice_ai_analytics.read_timestamp({'logs.end_time': 'text'}, 'logs.end_time') }} as eastern_end,
        case when logs.call_id is null then 'no_log' end as outcome_raw
    from {{ source('getgoing', 'getgoing_calls') }} as folders
    left join {{ source('getgoing', 'getgoing_metadata') }} as metadata on folders.call_id = metadata.call_id
    left join {{ source('getgoing', 'getgoing_logs') }} as logs on folders.call_id = logs.call_id

),

started as (

    select
        *,
        coalesce(
            {{ eastern_to_utc('eastern_start', "came_in_at - interval '30 minutes'") }},
            came_in_at
        ) as started_at
    from calls

)

select
    call_id as session_id,
    'getgoing' as platform,
    caller as user_id,
    'ivr' as channel,
    'en' as language,
    started_at,
    {{ eastern_to_utc('eastern_end', 'started_at') }} as ended_at,
    outcome_raw,
    'Google ASR' as asr_model
from started

-- A release is in service from its release day until the next release.
with asr_releases as (

    select
        asr_model,
        released_at,
        lead(released_at) over (order by released_at) as replaced_at
    from {{ source('deployment', 'asr_releases') }}

)

select
    sessions.session_id,
    'demo' as platform,
    sessions.user_id,
    case
        when lower(trim(sessions.channel)) in ('phone', 'telephone', 'call', 'voice_call') then 'voice'
        when lower(trim(sessions.channel)) in ('web', 'webchat', 'text', 'sms', 'whatsapp') then 'chat'
        else sessions.channel
    end as channel,
    sessions.language,
    sessions.created_at as started_at,
    sessions.total_duration_sec as duration_seconds,
    sessions.total_turns as turn_count,
    sessions.final_outcome as outcome_raw,
    sessions.transfer_reason,
    case when lower(trim(sessions.channel)) not in ('chat', 'web', 'webchat', 'text', 'sms', 'whatsapp')
        then asr_releases.asr_model
    end as asr_model,
    sessions.loaded_at
from {{ source('deployment', 'voice_sessions') }} as sessions
left join asr_releases
    on
        substr(trim(sessions.created_at), 1, 10) >= asr_releases.released_at
        and substr(trim(sessions.created_at), 1, 10) < coalesce(asr_releases.replaced_at, '9999-12-31')

select
    turn_id,
    session_id,
    'demo' as platform,
    turn_number as turn_index,
    case
        when lower(trim(speaker)) in ('caller', 'customer', 'citizen', 'human') then 'user'
        when lower(trim(speaker)) in ('bot', 'agent', 'ivr', 'virtual_agent', 'virtual_assistant') then 'assistant'
        else speaker
    end as speaker,
    created_at as started_at,
    detected_intent as intent,
    intent_confidence,
    asr_confidence,
    case when lower(trim(error_type)) = 'silence' then 'no_input' else error_type end as error_type,
    loaded_at
from {{ source('deployment', 'voice_turns') }}

{%- set started_at = voice_ai_analytics.read_timestamp({'created_at': 'text'}, 'created_at') -%}
{%- set duration = voice_ai_analytics.read_number({'turn_duration_sec': 'text'}, 'turn_duration_sec') -%}

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
    -- A duration that isn't a number, or is impossibly long, is passed on as it is. It can't be read as an instant, so
    -- the turn is quarantined.
    case
        when {{ duration }} is null or abs({{ duration }}) > 1e9 then turn_duration_sec
        when {{ started_at }} is not null
            then cast({{ voice_ai_analytics.add_seconds(started_at, duration) }} as {{ dbt.type_string() }})
    end as ended_at,
    detected_intent as intent,
    intent_confidence,
    asr_confidence,
    case when lower(trim(error_type)) = 'silence' then 'no_input' else error_type end as error_type,
    loaded_at
from {{ source('deployment', 'voice_turns') }}

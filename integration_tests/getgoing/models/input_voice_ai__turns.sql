-- One row per line of a call's history, which has neither times nor confidences.

select
    call_id || '-' || cast(position as {{ dbt.type_string() }}) as turn_id,
    call_id as session_id,
    'getgoing' as platform,
    position as turn_index,
    case
        when line like 'TTS%' then 'assistant'
        when line like 'USER%' then 'user'
        else 'untagged'
    end as speaker,
    line as transcript
from {{ source('getgoing', 'getgoing_history') }}

{{ config(enabled=voice_ai_analytics.is_platform_on('retell')) }}

{%- set text, number = voice_ai_analytics.json_text, voice_ai_analytics.json_number %}

with transcripts as (

    select
        session_id,
        loaded_at,
        {{ number('call', ['start_timestamp']) }} as start_ms,
        {{ voice_ai_analytics.json_at('call', ['latency', 'e2e', 'values']) }} as latencies,
        utterances
    from ({{ voice_ai_analytics.retell_utterances() }}) as calls

),

items as (

    {{ voice_ai_analytics.json_items('transcripts', 'utterances', ['session_id', 'loaded_at', 'start_ms']) }}

),

turns as (

    select
        session_id,
        loaded_at,
        item_number,
        start_ms / 1000 as start_seconds,
        case {{ text('item', ['role']) }}
            when 'user' then 'user' when 'dtmf' then 'user' when 'agent' then 'assistant' when 'transfer_target' then 'system'
        end as speaker,
        {{ number('item', ['words', 0, 'start']) }} as first_second,
        {{ number('item', ['words', -1, 'end']) }} as last_second,
        {{ text('item', ['metadata', 'is_backchannel']) }} as is_backchannel,
        {{ text('item', ['content']) }} as transcript
    from items

),

latencies as (

    {{ voice_ai_analytics.json_items('transcripts', 'latencies', ['session_id']) }}

),

numbered as (

    {{ voice_ai_analytics.numbered_turns('turns', 'latencies') }}

)

select
    cast(item_number as {{ dbt.type_string() }}) as turn_id,
    session_id,
    'retell' as platform,
    turn_number as turn_index,
    speaker,
    {{ voice_ai_analytics.add_seconds("timestamp '1970-01-01'", 'start_seconds + first_second') }} as started_at,
    {{ voice_ai_analytics.add_seconds("timestamp '1970-01-01'", 'start_seconds + last_second') }} as ended_at,
    {{ text('measurement', []) }} as response_latency_ms,
    case when {{ text('measurement', []) }} is not null then 'speech_end' end as latency_anchor,
    is_backchannel,
    transcript,
    loaded_at as updated_at,
    loaded_at
from numbered

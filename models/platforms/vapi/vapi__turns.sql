{{ config(enabled=voice_ai_analytics.is_platform_on('vapi')) }}

{%- set text = voice_ai_analytics.json_text %}

with conversations as (

    {{ voice_ai_analytics.vapi_conversations() }}

),

messages as (

    {{ voice_ai_analytics.json_items('conversations', 'messages', ['session_id', 'loaded_at']) }}

),

turns as (

    select
        session_id,
        loaded_at,
        item_number,
        case {{ text('item', ['role']) }} when 'user' then 'user' when 'bot' then 'assistant' when 'assistant' then 'assistant' end as speaker,
        {{ text('item', ['time']) }} as started_at,
        {{ text('item', ['endTime']) }} as ended_at,
        -- A confidence without a source is a placeholder.
        case when {{ text('item', ['confidenceSource']) }} is not null then {{ text('item', ['confidence']) }} end as asr_confidence,
        cast(null as {{ dbt.type_string() }}) as is_backchannel,
        {{ text('item', ['message']) }} as transcript
    from messages

),

latencies as (

    {{ voice_ai_analytics.json_items('conversations', 'latencies', ['session_id']) }}

),

numbered as (

    {{ voice_ai_analytics.numbered_turns('turns', 'latencies') }}

)

select
    cast(item_number as {{ dbt.type_string() }}) as turn_id,
    session_id,
    'vapi' as platform,
    turn_number as turn_index,
    speaker,
    started_at,
    ended_at,
    case when speaker = 'user' then asr_confidence end as asr_confidence,
    {{ text('measurement', ['turnLatency']) }} as response_latency_ms,
    -- Vapi doesn't say from where it counts a turn.
    case when {{ text('measurement', ['turnLatency']) }} is not null then 'unknown' end as latency_anchor,
    {{ text('measurement', ['endpointingLatency']) }} as endpointing_ms,
    {{ text('measurement', ['transcriberLatency']) }} as asr_ms,
    {{ text('measurement', ['modelLatency']) }} as llm_first_token_ms,
    {{ text('measurement', ['voiceLatency']) }} as tts_first_audio_ms,
    transcript,
    loaded_at as updated_at,
    loaded_at
from numbered

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

numbered as (

    {{ voice_ai_analytics.numbered_turns('turns') }}

),

latencies as (

    {{ voice_ai_analytics.json_items('conversations', 'latencies', ['session_id']) }}

),

measured as (

    select
        *,
        count(*) over (partition by session_id) as measurements
    from latencies

)

select
    cast(numbered.item_number as {{ dbt.type_string() }}) as turn_id,
    numbered.session_id,
    'vapi' as platform,
    numbered.turn_number as turn_index,
    numbered.speaker,
    numbered.started_at,
    numbered.ended_at,
    case when numbered.speaker = 'user' then numbered.asr_confidence end as asr_confidence,
    {{ text('measured.item', ['turnLatency']) }} as response_latency_ms,
    -- Vapi doesn't say from where it counts a turn.
    case when {{ text('measured.item', ['turnLatency']) }} is not null then 'unknown' end as latency_anchor,
    {{ text('measured.item', ['endpointingLatency']) }} as endpointing_ms,
    {{ text('measured.item', ['transcriberLatency']) }} as asr_ms,
    {{ text('measured.item', ['modelLatency']) }} as llm_first_token_ms,
    {{ text('measured.item', ['voiceLatency']) }} as tts_first_audio_ms,
    numbered.transcript,
    numbered.loaded_at as updated_at,
    numbered.loaded_at
from numbered
-- Vapi measures each answer in order. If there are more or fewer answers than measurements, which is whose isn't known.
left join measured
    on
        numbered.session_id = measured.session_id
        and numbered.answer_number = measured.item_number
        and numbered.answers = measured.measurements

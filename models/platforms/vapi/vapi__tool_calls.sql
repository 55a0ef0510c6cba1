{{ config(enabled=voice_ai_analytics.is_platform_on('vapi')) }}

{%- set text, number, at = voice_ai_analytics.json_text, voice_ai_analytics.json_number, voice_ai_analytics.json_at %}

with conversations as (

    {{ voice_ai_analytics.vapi_conversations() }}

),

messages as (

    {{ voice_ai_analytics.json_items('conversations', 'messages', ['session_id', 'loaded_at']) }}

),

requests as (

    select
        session_id,
        loaded_at,
        item_number as message_number,
        {{ text('item', ['time']) }} as started_at,
        {{ number('item', ['time']) }} as started_ms,
        {{ at('item', ['toolCalls']) }} as tool_calls
    from messages

),

-- One message may ask for several tools.
calls as (

    {{ voice_ai_analytics.json_items(
        'requests', 'tool_calls', ['session_id', 'loaded_at', 'message_number', 'started_at', 'started_ms']
    ) }}

),

results as (

    select
        session_id,
        {{ text('item', ['toolCallId']) }} as tool_call_id,
        min({{ number('item', ['time']) }}) as ended_ms
    from messages
    where {{ text('item', ['toolCallId']) }} is not null
    group by session_id, {{ text('item', ['toolCallId']) }}

)

select
    coalesce(
        {{ text('calls.item', ['id']) }},
        cast(calls.message_number as {{ dbt.type_string() }}) || '.' || cast(calls.item_number as {{ dbt.type_string() }})
    ) as tool_call_id,
    calls.session_id,
    'vapi' as platform,
    {{ text('calls.item', ['function', 'name']) }} as tool_name,
    calls.started_at,
    results.ended_ms - calls.started_ms as duration_ms,
    calls.loaded_at as updated_at,
    calls.loaded_at
from calls
left join results on calls.session_id = results.session_id and {{ text('calls.item', ['id']) }} = results.tool_call_id

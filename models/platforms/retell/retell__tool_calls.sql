{{ config(enabled=voice_ai_analytics.is_platform_on('retell')) }}

{%- set text = voice_ai_analytics.json_text %}

with calls as (

    {{ voice_ai_analytics.retell_utterances() }}

),

items as (

    {{ voice_ai_analytics.json_items('calls', 'utterances', ['session_id', 'loaded_at']) }}

),

read as (

    select
        session_id,
        loaded_at,
        coalesce({{ text('item', ['tool_call_id']) }}, cast(item_number as {{ dbt.type_string() }})) as tool_call_id,
        {{ text('item', ['name']) }} as tool_name,
        {{ text('item', ['successful']) }} as is_successful
    from items
    where {{ text('item', ['role']) }} in ('tool_call_invocation', 'tool_call_result')

)

-- An invocation has the name, and its result, if there was one, tells whether it went well.
select
    tool_call_id,
    session_id,
    'retell' as platform,
    max(tool_name) as tool_name,
    min(is_successful) as is_successful,
    max(loaded_at) as updated_at,
    max(loaded_at) as loaded_at
from read
group by tool_call_id, session_id

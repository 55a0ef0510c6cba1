{{ config(
    contract={'enforced': true},
    enabled=var('voice_ai_fact_turns', false),
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    indexes=[{'columns': ['session_key']}] if target.type == 'postgres' else [],
    pre_hook="{{ voice_ai_analytics.remove_replaced_rows(
        'session_key in (select session_key from ' ~ ref('int_voice_ai__sessions_to_rebuild') ~ ')'
    ) }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set versions = ref('int_voice_ai__turns_versions') %}
{%- set columns = [
    'platform', 'session_id', 'turn_id', 'turn_index', 'speaker', 'started_at', 'ended_at', 'asr_confidence', 'intent',
    'intent_confidence', 'error_type', 'response_latency_ms', 'latency_anchor', 'endpointing_ms', 'asr_ms',
    'llm_first_token_ms', 'tts_first_audio_ms', 'is_interruption', 'is_backchannel', 'is_cancelled'
] %}

with current_turns as (

    select {{ columns | join(', ') }}
    from {{ voice_ai_analytics.rows_of_build('turns', build) }} as given
    where not exists (
        select 1 from {{ versions }} as versions
        where versions.platform = given.platform and versions.session_id = given.session_id
    )
    union all
    select {{ columns | join(', ') }}
    from {{ versions }}
    where version_number = 1

),

turns as (

    select
        *,
        {{ voice_ai_analytics.key('platform', 'session_id', 'turn_id') }} as turn_key,
        {{ voice_ai_analytics.key('platform', 'session_id') }} as session_key
    from current_turns

),

certified_sessions as (

    select session_key, started_at
    from {{ ref('fact_voice_ai_sessions') }}

)

select
    turns.turn_key,
    turns.session_key,
    turns.platform,
    turns.turn_id,
    certified_sessions.started_at as session_started_at,
    turns.turn_index,
    cast(row_number() over (
        partition by turns.session_key order by turns.turn_index, turns.started_at, turns.turn_id
    ) as integer) as turn_number,
    case
        when turns.speaker = 'user'
            then cast(row_number() over (
                partition by turns.session_key, turns.speaker
                order by turns.turn_index, turns.started_at, turns.turn_id
            ) as integer)
    end as user_turn_number,
    count(*) over (partition by turns.session_key, turns.turn_index) > 1 as has_repeated_turn_index,
    turns.speaker,
    turns.started_at,
    turns.ended_at,
    turns.asr_confidence,
    turns.intent,
    turns.intent_confidence,
    turns.error_type,
    turns.error_type is not null as is_error,
    {#- An answer that was never heard has no latency. #}
    {%- for name in ['response_latency_ms', 'endpointing_ms', 'asr_ms', 'llm_first_token_ms', 'tts_first_audio_ms'] %}
    case when turns.is_cancelled is not true then turns.{{ name }} end as {{ name }},
    {%- endfor %}
    case
        when turns.response_latency_ms is not null and turns.is_cancelled is not true
            then coalesce(turns.latency_anchor, 'unknown')
    end as latency_anchor,
    turns.is_interruption,
    turns.is_backchannel,
    turns.is_cancelled
from turns
inner join certified_sessions on turns.session_key = certified_sessions.session_key

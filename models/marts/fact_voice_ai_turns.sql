{{ config(
    contract={'enforced': true},
    enabled=var('voice_ai_fact_turns', false),
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    indexes=[{'columns': ['session_key']}] if target.type == 'postgres' else [],
    pre_hook=["{{ voice_ai_analytics.hold_the_build() }}", "{{ voice_ai_analytics.remove_affected_sessions() }}"]
) }}

with turns as (

    select
        *,
        {{ voice_ai_analytics.key('platform', 'turn_id') }} as turn_key
    from {{ ref('stg_voice_ai__turns') }}

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
    turns.response_latency_ms,
    turns.is_interruption
from turns
inner join certified_sessions on turns.session_key = certified_sessions.session_key

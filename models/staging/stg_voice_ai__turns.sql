{{ config(pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

select
    turns.turn_id,
    sessions.session_key,
    turns.platform,
    turns.session_id,
    turns.turn_index,
    turns.speaker,
    turns.started_at,
    turns.ended_at,
    turns.asr_confidence,
    turns.intent,
    turns.intent_confidence,
    turns.error_type,
    turns.response_latency_ms,
    turns.is_interruption,
    turns.transcript
from {{ ref('stg_voice_ai__turns_latest') }} as turns
inner join {{ ref('stg_voice_ai__sessions') }} as sessions
    on turns.platform = sessions.platform and turns.session_id = sessions.session_id

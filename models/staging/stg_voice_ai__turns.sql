select
    turn_id,
    session_key,
    platform,
    session_id,
    turn_index,
    speaker,
    started_at,
    ended_at,
    asr_confidence,
    intent,
    intent_confidence,
    error_type,
    response_latency_ms,
    is_interruption,
    transcript
from {{ ref('stg_voice_ai__turns_checked') }}
where quarantine_reasons is null

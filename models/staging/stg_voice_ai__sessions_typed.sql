with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__sessions'), 'sessions') }}

)

select
    session_id,
    platform,
    account,
    user_id,
    channel,
    direction,
    language,
    started_at,
    not is_started_at_date_only as is_started_at_time_known,
    case when not is_ended_at_date_only then ended_at end as ended_at,
    duration_seconds,
    turn_count,
    outcome_raw,
    transfer_reason,
    resolution,
    resolution_source,
    bot_version,
    asr_model,
    csat_score,
    cost_usd,
    asr_cost_usd,
    llm_cost_usd,
    tts_cost_usd,
    telephony_cost_usd,
    llm_input_tokens,
    llm_output_tokens,
    updated_at,
    loaded_at,
    unreadable_values,
    value_quarantine_reasons,
    {{ voice_ai_analytics.quarantine_reasons({
        'missing_session_id': 'session_id is null',
        'missing_platform': 'platform is null',
        'missing_started_at': "started_at is null and coalesce(unreadable_reasons, '') not like '%unreadable_started_at%'",
        'ended_before_started': voice_ai_analytics.ends_before_it_starts(),
    }) }} as quarantine_reasons
from typed

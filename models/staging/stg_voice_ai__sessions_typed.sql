with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__sessions'), 'sessions') }}

)

select
    session_id,
    platform,
    user_id,
    channel,
    language,
    started_at,
    not is_started_at_date_only as is_started_at_time_known,
    case when not is_ended_at_date_only then ended_at end as ended_at,
    duration_seconds,
    turn_count,
    outcome_raw,
    transfer_reason,
    bot_version,
    asr_model,
    csat_score,
    cost_usd,
    updated_at,
    loaded_at,
    unreadable_values,
    {{ voice_ai_analytics.quarantine_reasons({
        'missing_session_id': 'session_id is null',
        'missing_platform': 'platform is null',
        'missing_started_at': "started_at is null and coalesce(unreadable_reasons, '') not like '%unreadable_started_at%'",
        'ended_before_started': voice_ai_analytics.ends_before_it_starts(),
        'negative_duration_seconds': 'duration_seconds < 0',
        'duration_seconds_too_large': 'duration_seconds > 1e9',
        'negative_turn_count': 'turn_count < 0',
        'negative_cost_usd': 'cost_usd < 0',
        'csat_score_out_of_range': 'csat_score not between 1 and 5',
    }) }} as quarantine_reasons
from typed

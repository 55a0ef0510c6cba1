{{ config(materialized='table') }}

with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__turns'), 'turns') }}

),

sessions as (

    select platform, session_id, session_key
    from {{ ref('stg_voice_ai__sessions') }}

),

quarantined_sessions as (

    select distinct platform, session_id
    from {{ ref('quarantine_voice_ai__sessions') }}

),

checked as (

    select
        typed.*,
        sessions.session_key,
        {{ voice_ai_analytics.quarantine_reasons({
            'missing_turn_id': 'typed.turn_id is null',
            'missing_session_id': 'typed.session_id is null',
            'missing_platform': 'typed.platform is null',
            'missing_turn_index':
                "typed.turn_index is null and coalesce(unreadable_reasons, '') not like '%unreadable_turn_index%'",
            'missing_speaker': 'typed.speaker is null',
            'unknown_speaker': "lower(typed.speaker) not in ('user', 'assistant', 'system')",
            'negative_turn_index': 'typed.turn_index < 0',
            'ended_before_started': voice_ai_analytics.ends_before_it_starts(),
            'asr_confidence_out_of_range': 'typed.asr_confidence not between 0 and 1',
            'intent_confidence_out_of_range': 'typed.intent_confidence not between 0 and 1',
            'negative_response_latency_ms': 'typed.response_latency_ms < 0',
            'quarantined_session': 'sessions.session_key is null and quarantined_sessions.session_id is not null',
            'unknown_session':
                'sessions.session_key is null and quarantined_sessions.session_id is null'
                ~ ' and typed.session_id is not null and typed.platform is not null',
        }) }} as broken_rules
    from typed
    left join sessions
        on typed.platform = sessions.platform and typed.session_id = sessions.session_id
    left join quarantined_sessions
        on typed.platform = quarantined_sessions.platform and typed.session_id = quarantined_sessions.session_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by platform, turn_id, broken_rules is null
            order by {{ voice_ai_analytics.latest_first('turns') }}
        ) as version_number
    from checked

)

select
    turn_id,
    session_id,
    session_key,
    platform,
    turn_index,
    lower(speaker) as speaker,
    started_at,
    case when not is_ended_at_date_only then ended_at end as ended_at,
    asr_confidence,
    intent,
    intent_confidence,
    case
        when lower(error_type) in ('misunderstanding', 'no_input', 'noise', 'no_match', 'repeat') then lower(error_type)
        when error_type is not null then 'other'
    end as error_type,
    response_latency_ms,
    is_interruption,
    {{ 'transcript' if var('voice_ai_keep_transcripts', false) else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as transcript,
    updated_at,
    loaded_at,
    unreadable_values,
    coalesce(broken_rules, case when version_number > 1 then 'duplicate' end) as quarantine_reasons
from ranked

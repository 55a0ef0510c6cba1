{%- set speakers = voice_ai_analytics.speakers() %}

with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__turns'), 'turns') }}

)

select
    turn_id,
    session_id,
    platform,
    turn_index,
    case
        when speaker in ('user', 'assistant', 'system') then speaker
        {%- for speaker, names in speakers.items() %}
        when lower(speaker) in ('{{ names | join("', '") }}') then '{{ speaker }}'
        {%- endfor %}
        else lower(speaker)
    end as speaker,
    started_at,
    case when not is_ended_at_date_only then ended_at end as ended_at,
    asr_confidence,
    intent,
    intent_confidence,
    case
        when error_type is null then null
        {%- for known in ['misunderstanding', 'no_input', 'noise', 'no_match', 'repeat'] %}
        when lower(error_type) = '{{ known }}' then '{{ known }}'
        {%- endfor %}
        else 'other'
    end as error_type,
    response_latency_ms,
    latency_anchor,
    endpointing_ms,
    asr_ms,
    llm_first_token_ms,
    tts_first_audio_ms,
    is_interruption,
    is_backchannel,
    is_cancelled,
    {{ 'transcript' if var('voice_ai_keep_transcripts', false) else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as transcript,
    case
        when lower(speaker) = 'system' or is_cancelled then 0
        when not is_started_at_date_only and not is_ended_at_date_only
            then {{ voice_ai_analytics.seconds_between('started_at', 'ended_at') }}
    end as speaking_seconds,
    updated_at,
    loaded_at,
    unreadable_values,
    value_quarantine_reasons,
    {{ voice_ai_analytics.quarantine_reasons({
        'missing_turn_id': 'turn_id is null',
        'missing_session_id': 'session_id is null',
        'missing_platform': 'platform is null',
        'missing_turn_index':
            "turn_index is null and coalesce(unreadable_reasons, '') not like '%unreadable_turn_index%'",
        'missing_speaker': 'speaker is null',
        'unknown_speaker':
            "speaker not in ('user', 'assistant', 'system') and lower(speaker) not in ('"
            ~ speakers.values() | sum(start=[]) | join("', '") ~ "')",
        'negative_turn_index': 'turn_index < 0',
        'ended_before_started': voice_ai_analytics.ends_before_it_starts(),
    }) }} as quarantine_reasons
from typed

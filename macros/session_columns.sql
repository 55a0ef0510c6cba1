{#- Columns of the fact that come from the session's own row, as a list. -#}
{% macro session_columns() -%}
    {{ return([
        'session_key', 'platform', 'account', 'session_id', 'user_key', 'channel', 'direction', 'language', 'asr_model',
        'bot_version',
        'started_at', 'is_started_at_time_known', 'ended_at', 'duration_seconds', 'outcome', 'outcome_raw',
        'transfer_reason', 'resolution', 'resolution_source', 'declared_turn_count', 'csat_score', 'cost_usd',
        'asr_cost_usd', 'llm_cost_usd', 'tts_cost_usd', 'telephony_cost_usd', 'llm_input_tokens', 'llm_output_tokens'
    ]) }}
{%- endmacro %}

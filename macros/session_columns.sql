{#- Columns of the fact that come from the session's own row, as a list. -#}
{% macro session_columns() -%}
    {{ return([
        'session_key', 'platform', 'session_id', 'user_key', 'channel', 'language', 'asr_model', 'bot_version',
        'started_at', 'is_started_at_time_known', 'ended_at', 'duration_seconds', 'outcome', 'outcome_raw',
        'transfer_reason', 'declared_turn_count', 'csat_score', 'cost_usd'
    ]) }}
{%- endmacro %}

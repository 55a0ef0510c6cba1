{#- Whether this build writes history: with the snapshots switched off or not selected, it does not. -#}
{% macro keeps_history() -%}
    {{ return('snapshot.voice_ai_analytics.voice_ai_session_outcomes' in selected_resources) }}
{%- endmacro %}

{#- Whether this build writes the snapshot. It doesn't if the snapshot is disabled or not selected. -#}
{% macro keeps_history() -%}
    {{ return('snapshot.voice_ai_analytics.voice_ai_session_outcomes' in selected_resources) }}
{%- endmacro %}

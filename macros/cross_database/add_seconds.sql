{#- Timestamp plus a number of seconds, which may have fractions. -#}
{% macro add_seconds(instant, seconds) -%}
    {{ return(adapter.dispatch('voice_ai_add_seconds', 'voice_ai_analytics')(instant, seconds)) }}
{%- endmacro %}

{% macro default__voice_ai_add_seconds(instant, seconds) -%}
    {{ instant }} + ({{ seconds }}) * interval '1 second'
{%- endmacro %}

{% macro duckdb__voice_ai_add_seconds(instant, seconds) -%}
    {{ instant }} + to_microseconds(cast(round(cast({{ seconds }} as double) * 1000000) as bigint))
{%- endmacro %}

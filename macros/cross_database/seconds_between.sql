{#- Seconds from one timestamp to another, with fractions. -#}
{% macro seconds_between(first, second) -%}
    {{ return(adapter.dispatch('voice_ai_seconds_between', 'voice_ai_analytics')(first, second)) }}
{%- endmacro %}

{% macro default__voice_ai_seconds_between(first, second) -%}
    cast(extract(epoch from ({{ second }} - {{ first }})) as double precision)
{%- endmacro %}

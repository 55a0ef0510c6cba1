{#- Seconds from one timestamp to another, fractions kept. -#}
{% macro seconds_between(first, second) -%}
    {{ return(adapter.dispatch('seconds_between', 'voice_ai_analytics')(first, second)) }}
{%- endmacro %}

{% macro default__seconds_between(first, second) -%}
    cast(extract(epoch from ({{ second }} - {{ first }})) as double precision)
{%- endmacro %}

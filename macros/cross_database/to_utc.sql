{#- A timestamp with a zone as a UTC timestamp without one. -#}
{% macro to_utc(instant) -%}
    {{ return(adapter.dispatch('to_utc', 'voice_ai_analytics')(instant)) }}
{%- endmacro %}

{% macro default__to_utc(instant) -%} timezone('UTC', {{ instant }}) {%- endmacro %}

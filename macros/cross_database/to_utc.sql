{#- Timestamp with a time zone as a UTC timestamp without one. -#}
{% macro to_utc(instant) -%}
    {{ return(adapter.dispatch('voice_ai_to_utc', 'voice_ai_analytics')(instant)) }}
{%- endmacro %}

{% macro default__voice_ai_to_utc(instant) -%} timezone('UTC', {{ instant }}) {%- endmacro %}

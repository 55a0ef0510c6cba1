{#- What a JSON value is. Engines agree on object, array and null, and have their own words for the rest. -#}
{% macro json_kind(json) -%}
    {{ return(adapter.dispatch('voice_ai_json_kind', 'voice_ai_analytics')(json)) }}
{%- endmacro %}

{% macro duckdb__voice_ai_json_kind(json) -%} lower(json_type({{ json }})) {%- endmacro %}

{% macro postgres__voice_ai_json_kind(json) -%} jsonb_typeof({{ json }}) {%- endmacro %}

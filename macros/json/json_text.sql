{#- The value at a path of a JSON value, as text. Null if there is none, or if it is JSON's null. -#}
{% macro json_text(json, path) -%}
    {{ return(adapter.dispatch('voice_ai_json_text', 'voice_ai_analytics')(json, voice_ai_analytics.json_path(path))) }}
{%- endmacro %}

{% macro duckdb__voice_ai_json_text(json, path) -%} ({{ json }} ->> {{ path | trim }}) {%- endmacro %}

{% macro postgres__voice_ai_json_text(json, path) -%} ({{ json }} #>> {{ path | trim }}) {%- endmacro %}

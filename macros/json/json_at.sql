{#- The part of a JSON value at a path, as JSON. Null if there is none. -#}
{% macro json_at(json, path) -%}
    {{ return(adapter.dispatch('voice_ai_json_at', 'voice_ai_analytics')(json, voice_ai_analytics.json_path(path))) }}
{%- endmacro %}

{% macro duckdb__voice_ai_json_at(json, path) -%} ({{ json }} -> {{ path | trim }}) {%- endmacro %}

{% macro postgres__voice_ai_json_at(json, path) -%} ({{ json }} #> {{ path | trim }}) {%- endmacro %}

{#- True if a text matches a regular expression. Use only syntax that all engines share. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('voice_ai_matches', 'voice_ai_analytics')(text, pattern)) }}
{%- endmacro %}

{% macro default__voice_ai_matches(text, pattern) -%} {{ text }} ~ '{{ pattern }}' {%- endmacro %}

{% macro duckdb__voice_ai_matches(text, pattern) -%} regexp_matches({{ text }}, '{{ pattern }}') {%- endmacro %}

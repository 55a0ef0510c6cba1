{#- SHA-256 of text, as 64 lower-case hexadecimal digits. -#}
{% macro sha256(text) -%}
    {{ return(adapter.dispatch('sha256', 'voice_ai_analytics')(text)) }}
{%- endmacro %}

{% macro default__sha256(text) -%} encode(sha256(convert_to({{ text }}, 'UTF8')), 'hex') {%- endmacro %}

{% macro duckdb__sha256(text) -%} sha256({{ text }}) {%- endmacro %}

{#- SHA-256 hash of a text, as 64 lower-case hexadecimal digits. -#}
{% macro sha256(text) -%}
    {{ return(adapter.dispatch('voice_ai_sha256', 'voice_ai_analytics')(text)) }}
{%- endmacro %}

{% macro default__voice_ai_sha256(text) -%} encode(sha256(convert_to({{ text }}, 'UTF8')), 'hex') {%- endmacro %}

{% macro duckdb__voice_ai_sha256(text) -%} sha256({{ text }}) {%- endmacro %}

{#- 63-bit hash of a text, as a non-negative bigint. Not a key: two texts may have the same hash. -#}
{% macro text_hash(text) -%}
    {{ return(adapter.dispatch('voice_ai_text_hash', 'voice_ai_analytics')(text)) }}
{%- endmacro %}

{% macro default__voice_ai_text_hash(text) -%} (hashtextextended({{ text }}, 0) & 9223372036854775807) {%- endmacro %}

{% macro duckdb__voice_ai_text_hash(text) -%} cast(hash({{ text }}) >> 1 as bigint) {%- endmacro %}

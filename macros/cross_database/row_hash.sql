{#- 64-bit hash of the values of a row, as a number that can be summed. -#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('voice_ai_row_hash', 'voice_ai_analytics')(columns)) }}
{%- endmacro %}

{% macro default__voice_ai_row_hash(columns) -%}
    cast(hash_record_extended(row({{ columns | join(', ') }}), 0) as numeric)
{%- endmacro %}

{% macro duckdb__voice_ai_row_hash(columns) -%} hash({{ columns | join(', ') }}) {%- endmacro %}

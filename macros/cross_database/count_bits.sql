{#- Number of bits that are set in a bigint, as an integer. -#}
{% macro count_bits(number) -%}
    {{ return(adapter.dispatch('voice_ai_count_bits', 'voice_ai_analytics')(number)) }}
{%- endmacro %}

{% macro default__voice_ai_count_bits(number) -%} cast(bit_count({{ number }}) as integer) {%- endmacro %}

{% macro postgres__voice_ai_count_bits(number) -%}
    cast(bit_count(cast({{ number }} as bit(64))) as integer)
{%- endmacro %}

{#- How many bits of a bigint are set. -#}
{% macro count_bits(number) -%}
    {{ return(adapter.dispatch('count_bits', 'voice_ai_analytics')(number)) }}
{%- endmacro %}

{% macro default__count_bits(number) -%} bit_count({{ number }}) {%- endmacro %}

{% macro postgres__count_bits(number) -%} bit_count(cast({{ number }} as bit(64))) {%- endmacro %}

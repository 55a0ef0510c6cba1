{#- How many bits of a bigint are set. -#}
{% macro count_bits(number) -%}
    {{ return(adapter.dispatch('voice_ai_count_bits', 'voice_ai_analytics')(number)) }}
{%- endmacro %}

{% macro default__voice_ai_count_bits(number) -%} bit_count({{ number }}) {%- endmacro %}

{% macro postgres__voice_ai_count_bits(number) -%} bit_count(cast({{ number }} as bit(64))) {%- endmacro %}

{#- Whether a data type of any engine is one of numbers or instants, of which every value is a given one. -#}
{% macro is_typed(type) -%}
    {{ return(voice_ai_analytics.is_numeric_type(type) or type.startswith('timestamp') or type == 'date') }}
{%- endmacro %}

{#- Whether a data type of any engine is numeric, a date or a timestamp. These have no blank values, so whatever isn't
    null was reported. -#}
{% macro is_typed(type) -%}
    {{ return(voice_ai_analytics.is_numeric_type(type) or type.startswith('timestamp') or type == 'date') }}
{%- endmacro %}

{#- Input column as an integer. Null if missing, fractional, too large, or not a number. -#}
{% macro read_integer(columns, name) -%}
    {%- if name not in columns -%} cast(null as integer)
    {%- elif voice_ai_analytics.is_small_integer_type(columns[name]) -%} cast({{ name }} as integer)
    {%- else -%}
    {%- set number = voice_ai_analytics.read_number(columns, name) -%}
    case
        when {{ number }} between -2147483648 and 2147483647 and {{ number }} = floor({{ number }})
            then cast({{ number }} as integer)
    end
    {%- endif -%}
{%- endmacro %}

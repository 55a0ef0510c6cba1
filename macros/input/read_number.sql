{#- Input column as a double. Null if missing or not a finite number (see is_unreadable). The pattern limits the number
    of digits, so that the cast can't overflow on any engine. -#}
{% macro read_number(columns, name) -%}
    {%- set type = columns.get(name) -%}
    {%- if type is none -%} cast(null as double precision)
    {%- elif voice_ai_analytics.is_numeric_type(type) -%}
    case when {{ name }} between -1e99 and 1e99 then cast({{ name }} as double precision) end
    {%- else -%}
    case
        when {{ voice_ai_analytics.matches(
            voice_ai_analytics.read_text(columns, name),
            '^[-+]?([0-9]{1,30}[.]?[0-9]{0,30}|[.][0-9]{1,30})([eE][-+]?[0-9]{1,2})?$'
        ) }}
            then cast(trim(cast({{ name }} as {{ dbt.type_string() }})) as double precision)
    end
    {%- endif -%}
{%- endmacro %}

{#- Input column as trimmed text. Null if blank or missing. Trimming is the most expensive part of reading, and few
    values need it, so the expression looks at both ends first. -#}
{% macro read_text(columns, name) -%}
    {%- if name not in columns -%} cast(null as {{ dbt.type_string() }})
    {%- else -%}
    {%- set text = 'cast(' ~ name ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    case
        when {{ text }} = '' or {{ text }} like ' %' or {{ text }} like '% ' then nullif(trim({{ text }}, ' '), '')
        else {{ text }}
    end
    {%- endif -%}
{%- endmacro %}

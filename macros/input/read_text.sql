{#- An input column as trimmed text; blank and absent are null. Trimming is the dearest part of reading: most values
    have nothing to trim, and a look at both ends says so. -#}
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

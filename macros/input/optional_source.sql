{#- Selects all rows of an optional source table, or an empty result with the given columns if it doesn't exist. -#}
{% macro optional_source(table, columns) -%}
    {%- set relation = source('voice_ai', table) -%}
    {%- if not execute or load_relation(relation) -%}
    select * from {{ relation }}
    {%- else -%}
    select
        {%- for column in columns %}
        cast(null as {{ dbt.type_string() }}) as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    where false
    {%- endif -%}
{%- endmacro %}

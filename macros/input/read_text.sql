{#- An input column as trimmed text; blank and absent are null. -#}
{% macro read_text(columns, name) -%}
    {%- if name not in columns -%} cast(null as {{ dbt.type_string() }})
    {%- else -%} nullif(trim(cast({{ name }} as {{ dbt.type_string() }})), '')
    {%- endif -%}
{%- endmacro %}

{#- Whether a column is used without a check of its years. Builds find rows by loaded_at, and a filter on it can use an
    index, or the order of the table, only on the bare column. is_unreadable still rejects impossible years. -#}
{% macro is_read_as_it_is(columns, name) -%}
    {{ return(name == 'loaded_at' and name in columns and (columns[name].startswith('timestamp') or columns[name] == 'date')) }}
{%- endmacro %}

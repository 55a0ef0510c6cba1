{#- Builds look for rows by loaded_at. A typed one stays bare, so that the filter reaches the table's order or its index;
    one that is out of time is refused all the same. -#}
{% macro is_read_as_it_is(columns, name) -%}
    {{ return(name == 'loaded_at' and name in columns and (columns[name].startswith('timestamp') or columns[name] == 'date')) }}
{%- endmacro %}

{% macro is_small_integer_type(type) -%}
    {{ return(type in ('integer', 'int', 'int4', 'smallint', 'int2', 'tinyint', 'utinyint', 'usmallint')) }}
{%- endmacro %}

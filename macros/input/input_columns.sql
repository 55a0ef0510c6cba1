{#- Columns that an input relation actually has, as a dictionary from name to data type, in lower case. A missing column
    reads as null, but a missing required column stops the build. -#}
{% macro input_columns(relation, required=[]) %}
    {%- if not execute -%} {{ return({}) }} {%- endif -%}
    {%- set columns = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do columns.update({column.name | lower: column.dtype | lower}) -%}
    {%- endfor -%}
    {%- set missing = required | reject('in', columns.keys() | list) | list -%}
    {%- if missing and flags.WHICH in ('build', 'run') -%}
        {%- do exceptions.raise_compiler_error(
            relation.identifier ~ ' lacks the required column ' ~ missing | join(', ')
            ~ (('; it has ' ~ columns.keys() | join(', ')) if columns
               else '; no columns can be read: make it a view or a table, not ephemeral')
        ) -%}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}

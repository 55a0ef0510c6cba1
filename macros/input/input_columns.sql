{#- The columns a consumer's input relation really has: {name: data type}, in lower case.
    An input column that is absent reads as null; a required one that is absent stops the build. -#}
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

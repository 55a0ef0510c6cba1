{#- Columns that an input relation actually has, as a dictionary from name to data type, in lower case. A missing column
    reads as null, but a missing required column of `table` stops the build. -#}
{% macro input_columns(relation, table=none) %}
    {%- if not execute -%} {{ return({}) }} {%- endif -%}
    {%- set contract = voice_ai_analytics.input_contract(table) if table else {'columns': {}, 'required': []} -%}
    {%- set columns, quoted = {}, [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do columns.update({column.name | lower: column.dtype | lower}) -%}
        {%- if column.name != column.name | lower and column.name | lower in contract.columns -%}
            {%- do quoted.append(column.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if quoted and target.type == 'postgres' -%}
        {%- do exceptions.raise_compiler_error(
            relation.identifier ~ ' has the column "' ~ quoted[0] ~ '", which PostgreSQL tells apart from '
            ~ quoted[0] | lower ~ '; select it as ' ~ quoted[0] | lower ~ ' in an input model of your own'
        ) -%}
    {%- endif -%}
    {%- set missing = contract.required | reject('in', columns.keys() | list) | list -%}
    {%- if missing and flags.WHICH in ('build', 'run') -%}
        {%- do exceptions.raise_compiler_error(
            relation.identifier ~ ' lacks the required column ' ~ missing | join(', ')
            ~ (('; it has ' ~ columns.keys() | join(', ')) if columns
               else '; no columns can be read: make it a view or a table, not ephemeral')
        ) -%}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}

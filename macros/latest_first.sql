{#- The order that decides which of several rows with one id is kept: the latest by updated_at, then by
    loaded_at, then a fixed tie-break over all other columns. Rows that tie in everything are the same row. -#}
{% macro latest_first(table, extra_columns=[], alias=none) -%}
    {%- set columns = voice_ai_analytics.input_contract(table).columns.keys() | list + extra_columns -%}
    {%- set dates = ['updated_at', 'loaded_at'] -%}
    {%- for name in dates + columns | reject('in', dates) | list -%}
    {{ alias ~ '.' if alias }}{{ name }} desc nulls last{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

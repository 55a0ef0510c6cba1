{#- Sort order that puts the current one of several rows with the same id first: the latest by updated_at, then
    loaded_at, then every other column. Rows that tie in everything are identical. -#}
{% macro latest_first(table, extra_columns=[], alias=none) -%}
    {%- set columns = voice_ai_analytics.input_contract(table).columns.keys() | list + extra_columns -%}
    {%- set dates = ['updated_at', 'loaded_at'] -%}
    {%- for name in dates + columns | reject('in', dates) | list -%}
    {{ alias ~ '.' if alias }}{{ name }} desc nulls last{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

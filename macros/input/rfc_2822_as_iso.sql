{#- Date of an email header (`Fri, 1 Mar 2024 10:00:00 +0100`) as ISO 8601, for text that looks like one. -#}
{% macro rfc_2822_as_iso(text) -%}
    {%- set parts = "regexp_replace(" ~ text ~ ", '^[A-Za-z]{3}, *', '')" -%}
    {%- set part = {} -%}
    {%- for name in ['day', 'month', 'year', 'time', 'zone'] -%}
        {%- do part.update({name: 'split_part(' ~ parts ~ ", ' ', " ~ loop.index ~ ')'}) -%}
    {%- endfor -%}
    {%- set months = "'janfebmaraprmayjunjulaugsepoctnovdec'" -%}
    {%- set month = '(position(lower(' ~ part.month ~ ') in ' ~ months ~ ') + 2) / 3' -%}
    concat(
        {{ part.year }}, '-',
        lpad(cast(cast(floor({{ month }}) as integer) as {{ dbt.type_string() }}), 2, '0'), '-',
        lpad({{ part.day }}, 2, '0'), 'T', {{ part.time }},
        {#- Not `in`: DuckDB 2.0 fails on it if the column has no value at all. #}
        regexp_replace({{ part.zone }}, '^(GMT|UTC?)$', 'Z')
    )
{%- endmacro %}

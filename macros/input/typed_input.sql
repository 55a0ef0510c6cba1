{#- Selects every row of an input table with the columns of the contract converted to their types, and whether each
    timestamp was reported as a date only. Three more columns, null if every value could be used: `unreadable_reasons`
    names those that cost the row, `value_quarantine_reasons` the measurements that are impossible and read as null, and
    `unreadable_values` keeps both as text. -#}
{% macro typed_input(relation, table, extra_text_columns=[]) -%}
    {%- set contract = voice_ai_analytics.input_contract(table) -%}
    {%- set columns = voice_ai_analytics.input_columns(relation, table) -%}
    {%- set measurements = contract.get('measurements', {}) -%}
    {%- set parsed, typed = [], [] -%}
    {%- for name, type in contract.columns.items()
        if voice_ai_analytics.may_be_unreadable(type, columns.get(name)) or (name in measurements and name in columns) -%}
        {%- do parsed.append(name) -%}
        {%- if voice_ai_analytics.is_typed(columns[name]) -%} {%- do typed.append(name) -%} {%- endif -%}
    {%- endfor -%}
    select
        {%- for name in contract.columns.keys() | list + extra_text_columns %}
        {{ 'case when ' ~ name ~ ' ' ~ measurements[name] ~ ' then ' ~ name ~ ' end as ' ~ name
           if name in measurements else name }},
        {%- endfor %}
        {%- for name, type in contract.columns.items() if type == 'timestamp' %}
        is_{{ name }}_date_only,
        {%- endfor %}
        {{ voice_ai_analytics.unreadable(columns, parsed | reject('in', measurements) | list, measurements, 'unreadable') }}
            as unreadable_reasons,
        {{ voice_ai_analytics.unreadable(columns, parsed | select('in', measurements) | list, measurements, 'impossible') }}
            as value_quarantine_reasons,
        {{ voice_ai_analytics.unreadable(columns, parsed, measurements) }} as unreadable_values
    from (
        {%- set as_it_is, read = [], [] %}
        {%- for name, type in contract.columns.items() %}
            {%- do (as_it_is if voice_ai_analytics.is_read_as_it_is(columns, name) else read).append(
                voice_ai_analytics['read_' ~ type](columns, name) ~ ' as ' ~ name
            ) %}
            {%- if type == 'timestamp' %}
                {%- do read.append(voice_ai_analytics.is_date_only(columns, name) ~ ' as is_' ~ name ~ '_date_only') %}
            {%- endif %}
        {%- endfor %}
        {%- for name in extra_text_columns %}
            {%- do read.append(voice_ai_analytics.read_text(columns, name) ~ ' as ' ~ name) %}
        {%- endfor %}
        {%- set texts = parsed | reject('in', typed) | list %}
        {%- for name in parsed %}
            {%- do read.append(
                (name if name in typed else voice_ai_analytics.read_text(columns, name)) ~ ' as ' ~ name ~ '_given'
            ) %}
        {%- endfor %}
        {%- set given = columns.keys() | select('in', contract.columns.keys() | list + extra_text_columns) | list %}
        {{ voice_ai_analytics.read_once(relation, given, read, as_it_is) if texts
           else 'select ' ~ (read + as_it_is) | join(', ') ~ ' from ' ~ relation }}
    ) as given
{%- endmacro %}

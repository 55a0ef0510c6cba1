{#- Selects every row of an input table with the contract's columns, each read as its type, and two more:
    `unreadable_reasons` names the values that could not be read, `unreadable_values` keeps them as text.
    Both are null where all could be read. -#}
{% macro typed_input(relation, table, extra_text_columns=[]) -%}
    {%- set contract = voice_ai_analytics.input_contract(table) -%}
    {%- set columns = voice_ai_analytics.input_columns(relation, contract.required) -%}
    {%- set parsed = [] -%}
    {%- for name, type in contract.columns.items() if type != 'text' and name in columns -%}
        {%- do parsed.append(name) -%}
    {%- endfor -%}
    select
        {%- for name in contract.columns.keys() | list + extra_text_columns %}
        {{ name }},
        {%- endfor %}
        {%- for name, type in contract.columns.items() if type == 'timestamp' %}
        is_{{ name }}_date_only,
        {%- endfor %}
        {%- for reasons in (true, false) %}
        nullif(concat_ws(
            '{{ ", " if reasons else "; " }}'
            {%- for name in parsed %},
            case
                when {{ name }} is null and {{ name }}_given is not null
                    then {{ "'unreadable_" ~ name ~ "'" if reasons else "'" ~ name ~ "=' || " ~ name ~ "_given" }}
            end
            {%- endfor %}
            {%- if not parsed %}, null{% endif %}
        ), '') as {{ 'unreadable_reasons' if reasons else 'unreadable_values' }}{{ "," if reasons }}
        {%- endfor %}
    from (
        select
            {%- for name, type in contract.columns.items() %}
            {{ voice_ai_analytics['read_' ~ type](columns, name) }} as {{ name }},
            {%- if type == 'timestamp' %}
            {{ voice_ai_analytics.is_date_only(columns, name) }} as is_{{ name }}_date_only,
            {%- endif %}
            {%- endfor %}
            {%- for name in extra_text_columns %}
            {{ voice_ai_analytics.read_text(columns, name) }} as {{ name }},
            {%- endfor %}
            {%- for name in parsed %}
            {{ voice_ai_analytics.read_text(columns, name) }} as {{ name }}_given,
            {%- endfor %}
            1 as one
        from {{ relation }}
    ) as given
{%- endmacro %}

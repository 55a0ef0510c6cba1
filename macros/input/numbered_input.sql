{#- Selects every row of an optional input table about sessions, typed as in the contract, with its quarantine_reasons (null
    for a valid row) and version_number: 1 for the current row of an id, 2 for the one before it, and null for a row that
    breaks a rule. The first required column is the id, unique within a session. -#}
{% macro numbered_input(table, rules={}) -%}
{%- set contract = voice_ai_analytics.input_contract(table) -%}
{%- set all_rules = {} -%}
{%- for name in contract.required -%} {%- do all_rules.update({'missing_' ~ name: name ~ ' is null'}) -%} {%- endfor -%}
{%- do all_rules.update(rules) %}
with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__' ~ table), table) }}

),

checked as (

    select
        {{ contract.columns.keys() | join(',
        ') }},
        unreadable_values,
        value_quarantine_reasons,
        {{ voice_ai_analytics.quarantine_reasons(all_rules) }} as quarantine_reasons
    from typed

)

select
    *,
    case
        when quarantine_reasons is null
            then cast(row_number() over (
                partition by platform, session_id, {{ contract.required[0] }}, quarantine_reasons is null
                order by {{ voice_ai_analytics.latest_first(table, ['unreadable_values']) }}
            ) as integer)
    end as version_number
from checked
{%- endmacro %}

{{ config(
    contract={'enforced': true},
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    indexes=[
        {'columns': ['session_key'], 'unique': true},
        {'columns': ['user_key']},
        {'columns': ['started_at']},
        {'columns': ['ended_at']}
    ] if target.type == 'postgres' else [],
    pre_hook=[
        "{{ voice_ai_analytics.extend_contract_by_user_attributes(model) }}",
        "{{ voice_ai_analytics.hold_the_build() }}",
        "{{ voice_ai_analytics.remove_sessions_of_the_candidate() }}"
    ],
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- if execute and flags.WHICH == 'run' -%}
    {%- do exceptions.warn(
        'fact_voice_ai_sessions: dbt run publishes it without tests; only dbt build certifies it'
    ) -%}
{%- endif %}

-- The gate also waits for the tests of what was left out.
-- depends_on: {{ ref('int_voice_ai__row_accounting') }}

select *
from {{ ref('int_voice_ai__sessions_candidate') }}

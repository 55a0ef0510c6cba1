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
        "{{ voice_ai_analytics.mark_certified_build_replaced() }}",
        "{{ voice_ai_analytics.extend_contract_by_user_attributes(model) }}",
        "{{ voice_ai_analytics.remove_replaced_rows(
            'session_key in (select session_key from ' ~ ref('int_voice_ai__sessions_to_rebuild')
            ~ ' union all select session_key from ' ~ ref('int_voice_ai__sessions_candidate') ~ ')'
        ) }}"
    ],
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- if execute and flags.WHICH == 'run' -%}
    {%- do exceptions.warn(
        'fact_voice_ai_sessions: dbt run publishes it without tests; only dbt build certifies it'
    ) -%}
{%- endif %}

-- Runs only after the tests of the candidate pass. Its pre-hooks also read these models:
-- depends_on: {{ ref('int_voice_ai__build') }}
-- depends_on: {{ ref('int_voice_ai__sessions_to_rebuild') }}

select *
from {{ ref('int_voice_ai__sessions_candidate') }}

{{ config(
    contract={'enforced': true},
    pre_hook="{{ voice_ai_analytics.extend_contract_by_user_attributes(model) }}"
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

{{ config(pre_hook="{{ voice_ai_analytics.remove_replaced_quarantine('users') }}") }}

{%- set columns = voice_ai_analytics.input_contract('users').columns.keys() | list + voice_ai_analytics.user_attributes() + ['unreadable_values'] %}
-- Updated together with the fact, so that both always describe the same rows.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}
-- depends_on: {{ ref('int_voice_ai__build') }}

select
    {{ columns | join(',
    ') }},
    concat_ws(', ', quarantine_reasons, case when version_number > 1 then 'duplicate' end) as quarantine_reasons
from {{ ref('int_voice_ai__users_versions') }}
where version_number is null or version_number > 1

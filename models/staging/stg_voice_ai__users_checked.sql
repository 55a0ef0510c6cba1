{{ config(materialized='table') }}

{%- set attributes = voice_ai_analytics.user_attributes() %}

with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__users'), 'users', extra_text_columns=attributes) }}

),

checked as (

    select
        *,
        {{ voice_ai_analytics.quarantine_reasons({'missing_user_id': 'user_id is null'}) }} as broken_rules
    from typed

),

ranked as (

    select
        *,
        row_number() over (
            partition by user_id, broken_rules is null
            order by {{ voice_ai_analytics.latest_first('users', attributes) }}
        ) as version_number
    from checked

)

select
    user_id,
    lower(region) as region,
    has_disability,
    is_first_time_digital_user,
    {%- for attribute in attributes %}
    {{ attribute }},
    {%- endfor %}
    unreadable_values,
    coalesce(broken_rules, case when version_number > 1 then 'duplicate' end) as quarantine_reasons
from ranked

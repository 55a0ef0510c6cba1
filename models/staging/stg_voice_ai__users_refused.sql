{{ config(pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

select
    user_id,
    region,
    has_disability,
    is_first_time_digital_user,
    {%- for attribute in voice_ai_analytics.user_attributes() %}
    {{ attribute }},
    {%- endfor %}
    updated_at,
    loaded_at,
    unreadable_values,
    coalesce(quarantine_reasons, 'duplicate') as quarantine_reasons
from {{ ref('stg_voice_ai__users_ranked') }}
where quarantine_reasons is not null or version_number > 1

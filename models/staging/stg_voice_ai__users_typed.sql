{%- set attributes = voice_ai_analytics.user_attributes() %}

with typed as (

    {{ voice_ai_analytics.typed_input(ref('input_voice_ai__users'), 'users', extra_text_columns=attributes) }}

)

select
    user_id,
    lower(region) as region,
    has_disability,
    is_first_time_digital_user,
    {%- for attribute in attributes %}
    {{ attribute }},
    {%- endfor %}
    updated_at,
    loaded_at,
    unreadable_values,
    {{ voice_ai_analytics.quarantine_reasons({'missing_user_id': 'user_id is null'}) }} as quarantine_reasons
from typed

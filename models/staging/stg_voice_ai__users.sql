select
    {{ voice_ai_analytics.sha256('salt.salt || users.user_id') }} as user_key,
    {%- for attribute in voice_ai_analytics.user_attributes() %}
    users.{{ attribute }},
    {%- endfor %}
    users.region,
    users.has_disability,
    users.is_first_time_digital_user
from {{ ref('stg_voice_ai__users_checked') }} as users
cross join {{ ref('stg_voice_ai__salt') }} as salt
where users.quarantine_reasons is null

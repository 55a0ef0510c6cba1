select *
from {{ ref('stg_voice_ai__users_checked') }}
where quarantine_reasons is not null

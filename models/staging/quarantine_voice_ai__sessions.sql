select *
from {{ ref('stg_voice_ai__sessions_checked') }}
where quarantine_reasons is not null

select *
from {{ ref('stg_voice_ai__turns_checked') }}
where quarantine_reasons is not null

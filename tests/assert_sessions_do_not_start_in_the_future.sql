-- Mistake prevented: one session in the future moves the end of the data, and every callback seems to be known. Allows
-- one day, because local times without a time zone are taken as UTC.
{{ config(severity='warn') }}

select
    session_key,
    started_at
from {{ ref('int_voice_ai__sessions_candidate') }}
where started_at > {{ voice_ai_analytics.add_seconds('cast(current_timestamp as timestamp)', 86400) }}

-- Mistake prevented: one session dated ahead moves the end of the data, and every call-back seems to be known.
-- A day of grace, because local times without a zone are read as UTC.
{{ config(severity='warn') }}

select
    session_key,
    started_at
from {{ ref('int_voice_ai__sessions_candidate') }}
where started_at > {{ voice_ai_analytics.add_seconds('cast(current_timestamp as timestamp)', 86400) }}

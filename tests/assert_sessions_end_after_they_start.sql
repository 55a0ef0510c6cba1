-- Mistake prevented: a time zone is applied to only one end of a session, so it ends before it starts.
select
    session_key,
    started_at,
    ended_at
from {{ ref('int_voice_ai__sessions_candidate') }}
where ended_at < started_at

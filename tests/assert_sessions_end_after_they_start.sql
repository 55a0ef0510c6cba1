-- Mistake prevented: a zone is applied to one end of a session only, so that it ends before it starts.
select
    session_key,
    started_at,
    ended_at
from {{ ref('int_voice_ai__sessions_candidate') }}
where ended_at < started_at

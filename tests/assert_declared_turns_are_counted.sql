-- Mistake prevented: a platform's own turn count is trusted although its turns say otherwise.
{{ config(severity='warn') }}

select
    session_key,
    declared_turn_count,
    turn_count
from {{ ref('int_voice_ai__sessions_candidate') }}
where declared_turn_count <> turn_count

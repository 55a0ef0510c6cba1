-- Mistake prevented: a platform calls its assistant SYSTEM, and metrics about the assistant's turns find none. If that is
-- what it means, map the speaker to assistant in your own input model.
{{ config(severity='warn') }}

select
    platform,
    sum(system_turn_count) as system_turns
from {{ ref('int_voice_ai__sessions_candidate') }}
group by platform
having sum(system_turn_count) > 0 and sum(user_turn_count) > 0 and sum(assistant_turn_count) = 0

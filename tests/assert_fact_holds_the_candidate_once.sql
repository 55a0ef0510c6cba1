-- Mistake prevented: a session of this build is missing from the certified fact, in it twice, or out of date.
select candidate.session_key
from {{ ref('int_voice_ai__sessions_candidate') }} as candidate
left join {{ ref('fact_voice_ai_sessions') }} as fact on candidate.session_key = fact.session_key
group by candidate.session_key
having
    count(fact.session_key) <> 1
    or max(candidate.outcome) <> max(fact.outcome)
    or max(candidate.turn_count) <> max(fact.turn_count)
    or max(candidate.started_at) <> max(fact.started_at)
    or max(candidate.error_turn_count) <> max(fact.error_turn_count)

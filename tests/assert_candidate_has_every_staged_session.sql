-- Mistake prevented: an inner join to turns or users drops sessions, or a fan-out join repeats them.
select staged.session_key
from {{ ref('int_voice_ai__sessions') }} as staged
left join {{ ref('int_voice_ai__sessions_candidate') }} as candidate on staged.session_key = candidate.session_key
group by staged.session_key
having count(*) <> 1 or count(candidate.session_key) <> 1

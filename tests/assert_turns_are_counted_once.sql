-- Mistake prevented: turns are lost or doubled when they are rolled up to sessions.
select
    staged_turns,
    counted_turns
from (
    select
        (select count(*) from {{ ref('stg_voice_ai__turns') }}) as staged_turns,
        (
            select coalesce(sum(candidate.turn_count), 0)
            from {{ ref('int_voice_ai__sessions_candidate') }} as candidate
            inner join {{ ref('stg_voice_ai__sessions') }} as staged on candidate.session_key = staged.session_key
        ) as counted_turns
) as turns
where staged_turns <> counted_turns

-- Mistake prevented: a platform reports milliseconds instead of seconds. Each duration is possible by itself, but a
-- platform's calls don't mostly last longer than six hours.
with calls as (

    select
        platform,
        case when duration_seconds > 6 * 3600 then 1 else 0 end as is_too_long
    from {{ ref('int_voice_ai__sessions_candidate') }}
    where channel in ('voice', 'ivr') and duration_seconds is not null

)

select
    platform,
    count(*) as calls,
    sum(is_too_long) as calls_that_are_too_long
from calls
group by platform
having count(*) >= 100 and sum(is_too_long) * 2 > count(*)

-- One row a session that either release served: what it was, how it ended, how many of its turns went wrong.
select
    session_key,
    user_key,
    cast(started_at as date) as started_on,
    case when asr_model = $mark then 1 else 0 end as is_after,
    language,
    channel,
    region,
    cast(has_disability as text) as has_disability,
    cast(is_first_time_digital_user as text) as is_first_time_digital_user,
    cast(is_eligible as integer) as is_eligible,
    cast(is_completed as integer) as is_completed,
    cast(is_abandoned as integer) as is_abandoned,
    cast(is_transferred as integer) as is_transferred,
    turn_count,
    error_turn_count
from $sessions as sessions
where asr_model in ($mark, $mark)
order by session_key

-- One row per session that either release served, with what it adds to each rate.
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
    $rates
from $sessions as sessions
where asr_model in ($mark, $mark)
order by session_key

-- One row per session: its user's cohorts, and what it adds to each rate.
select
    session_key,
    user_key,
    $rates,
    channel,
    language,
    platform,
    asr_model,
    region,
    -- Text is true or false on both engines.
    cast(has_disability as text) as has_disability,
    cast(is_first_time_digital_user as text) as is_first_time_digital_user,
    case
        when is_started_at_time_known
            then cast(extract(hour from started_at) as double precision)
    end as started_hour
from $sessions as sessions

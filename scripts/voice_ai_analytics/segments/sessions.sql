-- One row a session: its user's cohorts, how it ended, and its turns and errors.
select
    session_key,
    user_key,
    is_eligible,
    is_completed,
    is_abandoned,
    turn_count,
    error_turn_count,
    channel,
    language,
    platform,
    asr_model,
    region,
    -- true and false as texts, on both engines.
    cast(has_disability as text) as has_disability,
    cast(is_first_time_digital_user as text) as is_first_time_digital_user,
    case
        when is_started_at_time_known
            then cast(extract(hour from started_at) as double precision)
    end as started_hour
from $sessions as sessions

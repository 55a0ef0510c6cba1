-- Mistake prevented: a turn with an error is counted under two types or none, or error proportions exceed 1.
-- Integers, so that not one turn of slack is needed.
select
    session_key,
    turn_count,
    error_turn_count
from {{ ref('int_voice_ai__sessions_candidate') }}
where
    error_turn_count > turn_count
    or error_turn_count <> (
        misunderstanding_turn_count + no_input_turn_count + noise_turn_count
        + no_match_turn_count + repeat_turn_count + other_turn_count
    )

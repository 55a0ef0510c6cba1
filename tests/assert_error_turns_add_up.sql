-- Mistake prevented: a turn with an error counts under two types or none, or an error proportion exceeds 1. Compares
-- integers, so it needs no tolerance.
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

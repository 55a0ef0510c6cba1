-- Mistake prevented: an analysis uses the turn number as a key and joins turns with each other.
{{ config(severity='warn', fail_calc='coalesce(sum(repeated_turn_index_count), 0)') }}

select
    session_key,
    repeated_turn_index_count
from {{ ref('int_voice_ai__sessions_candidate') }}
where repeated_turn_index_count > 0

-- Mistake prevented: sessions whose turns were never loaded look like sessions in which no one spoke.
{{ config(severity='warn') }}

select
    session_key,
    declared_turn_count
from {{ ref('int_voice_ai__sessions_candidate') }}
where declared_turn_count > 0 and turn_count = 0

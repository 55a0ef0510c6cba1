-- Mistake prevented: transfers are counted by reason, although many sessions with a reason weren't transferred.
{{ config(severity='warn') }}

select
    session_key,
    outcome,
    transfer_reason
from {{ ref('int_voice_ai__sessions_candidate') }}
where has_unexplained_transfer_reason

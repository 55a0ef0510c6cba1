-- Mistake prevented: transfers are counted by their reason, although many with a reason were not transferred.
{{ config(severity='warn') }}

select
    session_key,
    outcome,
    transfer_reason
from {{ ref('int_voice_ai__sessions_candidate') }}
where has_unexplained_transfer_reason

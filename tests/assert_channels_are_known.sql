-- Mistake prevented: a misspelled channel hides in "other", and the share of voice shrinks.
{{ config(severity='warn', fail_calc='coalesce(sum(session_count), 0)') }}

select
    platform,
    channel_raw,
    count(*) as session_count
from {{ ref('int_voice_ai__sessions') }}
where channel = 'other' and lower(channel_raw) <> 'other'
group by platform, channel_raw

-- One row per ASR release: its sessions, and the days of the first and the last one.
select
    asr_model,
    count(*) as sessions,
    cast(min(started_at) as date) as first_day,
    cast(max(started_at) as date) as last_day
from $sessions as sessions
where asr_model is not null
group by asr_model
order by min(started_at), asr_model

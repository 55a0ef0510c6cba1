-- One row per event, with its instant. Null if it has none between 2001 and 2100.

with events as (

    select
        *,
        {{ voice_ai_analytics.read_number({'unix_time': 'text'}, 'unix_time') }} as epoch_seconds
    from {{ source('star', 'star_events') }}

)

select
    file_name,
    position,
    agent,
    action,
    text,
    case when epoch_seconds between 1e9 and 4.1e9 then to_timestamp(epoch_seconds) end as happened_at
from events

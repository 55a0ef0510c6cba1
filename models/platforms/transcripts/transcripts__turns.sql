{{ config(enabled=voice_ai_analytics.is_platform_on('transcripts')) }}

{%- set text = dbt.type_string() %}

select
    cast(line_number as {{ text }}) as turn_id,
    session_id,
    'transcripts' as platform,
    line_number as turn_index,
    speaker,
    -- What is neither an instant nor an offset is left to staging, which quarantines it.
    coalesce(cast(line_started_at as {{ text }}), case when started_second is null then started_at end) as started_at,
    coalesce(cast(line_ended_at as {{ text }}), case when ended_second is null then ended_at end) as ended_at,
    transcript,
    -- A line that is added renumbers those after it, so all of them are as new as the newest.
    max(loaded_at) over (partition by session_id) as updated_at,
    max(loaded_at) over (partition by session_id) as loaded_at
from {{ ref('transcripts__lines') }}
where session_id is not null

{{ config(enabled=voice_ai_analytics.is_platform_on('transcripts')) }}

{%- set text = dbt.type_string() %}
{%- set of_session = ['account', 'user_id', 'channel', 'direction', 'language', 'outcome_raw', 'bot_version'] %}

select
    session_id,
    'transcripts' as platform,
    {%- for name in of_session %}
    max({{ name }}) as {{ name }},
    {%- endfor %}
    case
        when min(first_instant) is not null then cast(min(first_instant) as {{ text }})
        when min(recorded_on) is not null then cast(cast(min(recorded_on) as date) as {{ text }})
        else coalesce(min(source_file), 'a file unknown') || ': no line of this conversation tells the date'
    end as started_at,
    -- One instant alone is no end.
    cast(
        nullif(max(greatest(line_started_at, line_ended_at)), min(session_started_at)) as {{ text }}
    ) as ended_at,
    max(loaded_at) as updated_at,
    min(source_file) as source_file,
    min(position) as position,
    1 as payload_rank,
    max(loaded_at) as loaded_at
from {{ ref('transcripts__lines') }}
where session_id is not null
group by session_id

union all

select
    session_id,
    'transcripts' as platform,
    {%- for name in of_session %}
    {{ name }},
    {%- endfor %}
    {{ voice_ai_analytics.whose_payload('a line of a transcript') }} as started_at,
    cast(null as {{ text }}) as ended_at,
    loaded_at as updated_at,
    source_file,
    position,
    cast(null as integer) as payload_rank,
    loaded_at
from {{ ref('transcripts__lines') }}
where session_id is null

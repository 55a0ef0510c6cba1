{{ config(enabled=voice_ai_analytics.is_platform_on('transcripts')) }}

{%- set text, kind, at = voice_ai_analytics.json_text, voice_ai_analytics.json_kind, voice_ai_analytics.json_at %}
{%- set of_session = ['account', 'user_id', 'channel', 'direction', 'language', 'outcome_raw', 'bot_version'] %}

with payloads as (

    {{ voice_ai_analytics.platform_payloads('transcripts') }}

),

-- Keys of another platform's payload may have the same names, but hold objects.
read as (

    select
        case
            when
                {{ kind(at('payload', ['conversation'])) }} not in ('object', 'array')
                and {{ kind(at('payload', ['text'])) }} not in ('object', 'array')
                then nullif(trim({{ text('payload', ['conversation']) }}), '')
        end as session_id,
        nullif(trim({{ text('payload', ['speaker']) }}), '') as speaker,
        {{ text('payload', ['text']) }} as transcript,
        nullif(trim({{ text('payload', ['time']) }}), '') as started_at,
        nullif(trim({{ text('payload', ['end']) }}), '') as ended_at,
        {%- for name in of_session %}
        {{ 'coalesce(' if name == 'account' }}nullif(trim({{ text('payload', [name]) }}), '')
        {{- ', account)' if name == 'account' }} as {{ name }},
        {%- endfor %}
        source_file,
        position,
        content_hash,
        loaded_at
    from payloads

),

timed as (

    select
        *,
        {{ voice_ai_analytics.read_timestamp({'started_at': 'text'}, 'started_at') }} as started_instant,
        {{ voice_ai_analytics.read_timestamp({'ended_at': 'text'}, 'ended_at') }} as ended_instant,
        {{ voice_ai_analytics.offset_seconds('started_at') }} as started_second,
        {{ voice_ai_analytics.offset_seconds('ended_at') }} as ended_second,
        case
            when session_id like '____-__-__%'
                then {{ voice_ai_analytics.read_timestamp({'day': 'text'}, 'day') }}
        end as recorded_on
    from (select *, substr(session_id, 1, 10) as day from read) as lines

),

-- Offsets count from the conversation's first instant, or from the day that its name begins with.
conversations as (

    select
        *,
        min(started_instant) over (partition by session_id) as first_instant,
        coalesce(min(started_instant) over (partition by session_id), recorded_on) as session_started_at
    from timed

),

placed as (

    select
        *,
        coalesce(
            started_instant, {{ voice_ai_analytics.add_seconds('session_started_at', 'started_second') }}
        ) as line_started_at,
        coalesce(ended_instant, {{ voice_ai_analytics.add_seconds('session_started_at', 'ended_second') }}) as line_ended_at
    from conversations

),

-- By time only if every line of the conversation has one.
ordered as (

    select
        *,
        case
            when count(*) over (partition by session_id) = count(line_started_at) over (partition by session_id)
                then line_started_at
        end as sorted_at
    from placed

)

select
    *,
    cast(row_number() over (
        partition by session_id
        order by sorted_at, source_file, position, content_hash
    ) as bigint) as line_number
from ordered

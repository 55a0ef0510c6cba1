{{ config(enabled=voice_ai_analytics.is_platform_on('retell')) }}

{%- set text, number, at = voice_ai_analytics.json_text, voice_ai_analytics.json_number, voice_ai_analytics.json_at %}

with payloads as (

    {{ voice_ai_analytics.platform_payloads('retell') }}

),

-- A webhook wraps the call that the API returns bare.
calls as (

    select
        *,
        case
            when {{ voice_ai_analytics.json_kind(at('payload', ['call'])) }} = 'object' then {{ at('payload', ['call']) }}
            else payload
        end as call
    from payloads

),

read as (

    select
        case when {{ text('call', ['call_status']) }} is not null then {{ text('call', ['call_id']) }} end as session_id,
        {{ text('call', ['call_status']) }} as call_status,
        {{ text('call', ['disconnection_reason']) }} as disconnection_reason,
        {{ text('call', ['call_analysis', 'call_successful']) }} as call_successful,
        {{ text('call', ['call_analysis', 'user_sentiment']) }} as user_sentiment,
        {{ text('call', ['call_analysis', 'in_voicemail']) }} as in_voicemail,
        {{ text('call', ['direction']) }} as direction,
        {{ text('call', ['from_number']) }} as from_number,
        {{ text('call', ['to_number']) }} as to_number,
        {{ text('call', ['start_timestamp']) }} as start_timestamp,
        {{ text('call', ['end_timestamp']) }} as end_timestamp,
        {{ number('call', ['duration_ms']) }} / 1000 as duration_seconds,
        {{ text('call', ['agent_id']) }} as agent_id,
        {{ text('call', ['agent_version']) }} as agent_version,
        {{ number('call', ['call_cost', 'combined_cost']) }} / 100 as cost_usd,
        account,
        source_file,
        position,
        content_hash,
        loaded_at
    from calls

),

ranked as (

    select
        *,
        {{ voice_ai_analytics.newest_first([
            "case call_status when 'registered' then 1 when 'ongoing' then 2 else 3 end",
            'case when call_successful is not null then 1 end',
            'case when cost_usd is not null then 1 end',
        ]) }} as payload_rank
    from read

)

select
    session_id,
    'retell' as platform,
    account,
    case when direction = 'outbound' then to_number else from_number end as user_id,
    'voice' as channel,
    direction,
    -- A call that nobody answered has no start.
    case
        when session_id is null then {{ voice_ai_analytics.whose_payload('a Retell call') }}
        else coalesce(start_timestamp, end_timestamp)
    end as started_at,
    end_timestamp as ended_at,
    duration_seconds,
    case
        when call_status in ('registered', 'ongoing') then call_status
        when in_voicemail = 'true' then 'voicemail_reached'
        -- Who hung up doesn't tell whether the task was done; Retell's own analysis does.
        when disconnection_reason in ('user_hangup', 'agent_hangup') and call_successful = 'true' then disconnection_reason || '_successful'
        when disconnection_reason in ('user_hangup', 'agent_hangup') and call_successful = 'false' then disconnection_reason || '_unsuccessful'
        else coalesce(disconnection_reason, call_status)
    end as outcome_raw,
    case call_successful when 'true' then 'resolved' when 'false' then 'unresolved' end as resolution,
    case when call_successful in ('true', 'false') then 'model' end as resolution_source,
    call_successful,
    user_sentiment,
    agent_id || ':' || agent_version as bot_version,
    cost_usd,
    -- Only the row that counts has a date, so the other payloads of its session become its duplicates.
    case when payload_rank = 1 then loaded_at end as updated_at,
    source_file,
    position,
    content_hash,
    payload_rank,
    loaded_at
from ranked

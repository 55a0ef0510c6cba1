{{ config(enabled=voice_ai_analytics.is_platform_on('vapi')) }}

{%- set text, at, first = voice_ai_analytics.json_text, voice_ai_analytics.json_at, voice_ai_analytics.vapi_text %}
{%- set hangups = [
    'customer-ended-call', 'assistant-ended-call', 'assistant-ended-call-after-message-spoken',
    'assistant-ended-call-with-hangup-task', 'assistant-said-end-call-phrase', 'call.in-progress.sip-completed-call',
    'call.in-progress.twilio-completed-call', 'vonage-completed'
] %}

with payloads as (

    {{ voice_ai_analytics.platform_payloads('vapi') }}

),

-- A webhook wraps a report, which holds the call; the API returns the call bare.
reports as (

    select
        *,
        case
            when {{ text('payload', ['message', 'type']) }} = 'end-of-call-report' then {{ at('payload', ['message']) }}
            else payload
        end as report
    from payloads

),

read as (

    select
        case when {{ first(['orgId']) }} is not null then coalesce({{ text('report', ['call', 'id']) }}, {{ text('report', ['id']) }}) end as session_id,
        coalesce({{ first(['orgId']) }}, account) as account,
        {{ first(['type']) }} as type_or_report,
        {{ text('report', ['call', 'type']) }} as type_of_call,
        {{ first(['status']) }} as status,
        {{ first(['endedReason']) }} as ended_reason,
        lower({{ first(['analysis', 'successEvaluation']) }}) as success,
        coalesce({{ first(['customer', 'externalId']) }}, {{ first(['customer', 'number']) }}, {{ first(['customer', 'sipUri']) }}) as user_id,
        {{ first(['assistant', 'transcriber', 'language']) }} as language,
        {{ first(['assistant', 'transcriber', 'model']) }} as asr_model,
        {{ first(['assistantId']) }} as assistant_id,
        {{ first(['assistantVersion']) }} as assistant_version,
        coalesce({{ first(['startedAt']) }}, {{ first(['createdAt']) }}) as started_at,
        {{ first(['endedAt']) }} as ended_at,
        {{ first(['cost']) }} as cost_usd,
        {%- for part, name in {
            'stt': 'asr_cost_usd', 'llm': 'llm_cost_usd', 'tts': 'tts_cost_usd', 'transport': 'telephony_cost_usd',
            'llmPromptTokens': 'llm_input_tokens', 'llmCompletionTokens': 'llm_output_tokens'
        }.items() %}
        {{ first(['costBreakdown', part]) }} as {{ name }},
        {%- endfor %}
        rtrim({{ first(['updatedAt']) }}, 'Z') as updated,
        source_file,
        position,
        content_hash,
        loaded_at
    from reports

),

ranked as (

    select
        *,
        {{ voice_ai_analytics.newest_first([
            'updated', 'case when ended_reason is not null then 1 end', 'case when success is not null then 1 end'
        ]) }} as payload_rank
    from read

)

select
    session_id,
    'vapi' as platform,
    account,
    user_id,
    'voice' as channel,
    case coalesce(type_of_call, type_or_report)
        when 'inboundPhoneCall' then 'inbound' when 'outboundPhoneCall' then 'outbound'
    end as direction,
    language,
    case when session_id is null then {{ voice_ai_analytics.whose_payload('a Vapi call') }} else started_at end as started_at,
    ended_at,
    case
        when ended_reason is null then status
        -- Hundreds of reasons name the provider that failed. Their outcome is one.
        {%- for family in [
            'pipeline-error', 'call.start.error', 'call.in-progress.error-vapifault', 'call.in-progress.error-providerfault',
            'call.in-progress.error-pipeline'
        ] %}
        when ended_reason like '{{ family }}%' then '{{ family }}'
        {%- endfor %}
        -- Who hung up doesn't tell whether the task was done; an evaluation that passes or fails does.
        when ended_reason in ('{{ hangups | join("', '") }}') and success in ('true', 'false')
            then ended_reason || case success when 'true' then '-successful' else '-unsuccessful' end
        else ended_reason
    end as outcome_raw,
    case success when 'true' then 'resolved' when 'false' then 'unresolved' end as resolution,
    case when success in ('true', 'false') then 'model' end as resolution_source,
    success as success_evaluation,
    coalesce(assistant_id || ':' || assistant_version, assistant_id) as bot_version,
    asr_model,
    cost_usd,
    asr_cost_usd,
    llm_cost_usd,
    tts_cost_usd,
    telephony_cost_usd,
    llm_input_tokens,
    llm_output_tokens,
    -- Only the row that counts has a date, so the other payloads of its session become its duplicates.
    case when payload_rank = 1 then coalesce(updated, cast(loaded_at as {{ dbt.type_string() }})) end as updated_at,
    source_file,
    position,
    content_hash,
    payload_rank,
    loaded_at
from ranked

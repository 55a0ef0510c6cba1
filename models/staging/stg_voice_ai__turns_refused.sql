{{ config(materialized='table', pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{%- set columns = [
    'turn_id', 'session_id', 'platform', 'turn_index', 'speaker', 'started_at', 'ended_at', 'asr_confidence', 'intent',
    'intent_confidence', 'error_type', 'response_latency_ms', 'is_interruption', 'transcript', 'updated_at',
    'loaded_at', 'unreadable_values'
] %}

with quarantined_sessions as (

    select distinct platform, session_id
    from {{ ref('stg_voice_ai__sessions_refused') }}

),

refused as (

    select *
    from {{ ref('stg_voice_ai__turns_sifted') }}
    where not is_counted

)

select
    refused.{{ columns | join(',
    refused.') }},
    refused.session_key,
    concat_ws(
        ', ',
        refused.quarantine_reasons,
        case when refused.version_number > 1 then 'duplicate' end,
        case
            when refused.session_key is not null or refused.platform is null or refused.session_id is null then null
            when quarantined_sessions.session_id is not null then 'quarantined_session'
            else 'unknown_session'
        end
    ) as quarantine_reasons
from refused
left join quarantined_sessions
    on refused.platform = quarantined_sessions.platform and refused.session_id = quarantined_sessions.session_id

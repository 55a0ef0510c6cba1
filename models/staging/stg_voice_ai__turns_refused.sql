{{ config(materialized='table', pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set columns = [
    'turn_id', 'session_id', 'platform', 'turn_index', 'speaker', 'started_at', 'ended_at', 'asr_confidence', 'intent',
    'intent_confidence', 'error_type', 'response_latency_ms', 'is_interruption', 'transcript', 'updated_at',
    'loaded_at', 'unreadable_values', 'quarantine_reasons'
] %}

with sessions as (

    select platform, session_id, session_key
    from {{ ref('stg_voice_ai__sessions') }}

),

quarantined_sessions as (

    select distinct platform, session_id
    from {{ ref('stg_voice_ai__sessions_refused') }}

),

refused as (

    select {{ columns | join(', ') }}
    from {{ voice_ai_analytics.rows_of_build('turns', build) }}
    where quarantine_reasons is not null

    union all

    {#- A good row has no unreadable value. -#}
    {% set columns_of_turns = columns | map('replace', 'unreadable_values', 'null') | map('replace', 'quarantine_reasons', 'null') %}
    select turns.{{ columns_of_turns | join(', turns.') | replace('turns.null', 'null') }}
    from {{ ref('stg_voice_ai__turns_latest') }} as turns
    inner join {{ ref('int_voice_ai__sessions_without_row') }} as sessions_without_row
        on turns.platform = sessions_without_row.platform and turns.session_id = sessions_without_row.session_id

),

explained as (

    select
        refused.*,
        sessions.session_key,
        case
            when sessions.session_key is not null or refused.platform is null or refused.session_id is null then null
            when quarantined_sessions.session_id is not null then 'quarantined_session'
            else 'unknown_session'
        end as session_reason
    from refused
    left join sessions
        on refused.platform = sessions.platform and refused.session_id = sessions.session_id
    left join quarantined_sessions
        on refused.platform = quarantined_sessions.platform and refused.session_id = quarantined_sessions.session_id

)

select
    {{ columns[:-1] | join(', ') }},
    session_key,
    nullif(concat_ws(', ', quarantine_reasons, session_reason), '') as quarantine_reasons
from explained

union all

select
    repeated.{{ columns[:-1] | join(', repeated.') }},
    sessions.session_key,
    'duplicate' as quarantine_reasons
from {{ ref('stg_voice_ai__turns_repeated') }} as repeated
inner join sessions on repeated.platform = sessions.platform and repeated.session_id = sessions.session_id
where repeated.version_number > 1

{{ config(materialized='table') }}

with sessions as (

    select *
    from {{ ref('stg_voice_ai__sessions_checked') }}
    where quarantine_reasons is null

),

outcomes as (

    select * from {{ ref('stg_voice_ai__outcome_mapping') }}

),

languages as (

    select * from {{ ref('voice_ai_languages') }}

),

salt as (

    select salt from {{ ref('stg_voice_ai__salt') }}

)

select
    {{ voice_ai_analytics.key('sessions.platform', 'sessions.session_id') }} as session_key,
    sessions.platform,
    sessions.session_id,
    {{ voice_ai_analytics.sha256('salt.salt || sessions.user_id') }} as user_key,
    case
        when lower(sessions.channel) in ('voice', 'ivr', 'chat', 'transcript') then lower(sessions.channel)
        when sessions.channel is not null then 'other'
    end as channel,
    sessions.channel as channel_raw,
    coalesce(
        languages.language,
        {{ voice_ai_analytics.language_tag('sessions.language') }}
    ) as language,
    sessions.started_at,
    sessions.is_started_at_time_known,
    coalesce(
        sessions.ended_at,
        {{ voice_ai_analytics.add_seconds('sessions.started_at', 'sessions.duration_seconds') }}
    ) as ended_at,
    coalesce(
        sessions.duration_seconds,
        case
            when sessions.is_started_at_time_known
                then {{ voice_ai_analytics.seconds_between('sessions.started_at', 'sessions.ended_at') }}
        end
    ) as duration_seconds,
    sessions.turn_count as declared_turn_count,
    coalesce(platform_outcomes.outcome, general_outcomes.outcome, 'unknown') as outcome,
    sessions.outcome_raw,
    sessions.transfer_reason,
    sessions.bot_version,
    sessions.asr_model,
    sessions.csat_score,
    sessions.cost_usd
from sessions
cross join salt
left join outcomes as platform_outcomes
    on
        sessions.platform = platform_outcomes.platform
        and {{ voice_ai_analytics.normalised_code('sessions.outcome_raw') }} = platform_outcomes.outcome_code
left join outcomes as general_outcomes
    on
        general_outcomes.platform = '*'
        and {{ voice_ai_analytics.normalised_code('sessions.outcome_raw') }} = general_outcomes.outcome_code
left join languages
    on lower(sessions.language) = languages.language_name

{{ config(materialized='view') }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set rows = voice_ai_analytics.rows_of_build('sessions', build) %}
{%- set columns = voice_ai_analytics.input_contract('sessions').columns.keys() | list + ['is_started_at_time_known'] %}
{%- set salt = '(select salt from ' ~ ref('stg_voice_ai__salt') ~ ')' %}

with current_sessions as (

    select * from {{ voice_ai_analytics.current_rows(
        rows, ref('int_voice_ai__sessions_versions'), ['platform', 'session_id'], columns
    ) }} as current_rows

),

-- There are few distinct labels, so each is looked up once instead of once per session.
outcomes as (

    select
        labels.platform,
        labels.outcome_raw,
        coalesce(platform_outcomes.outcome, general_outcomes.outcome) as outcome
    from (select distinct platform, outcome_raw from {{ rows }} as given) as labels
    left join {{ ref('stg_voice_ai__outcome_mapping') }} as platform_outcomes
        on
            labels.platform = platform_outcomes.platform
            and {{ voice_ai_analytics.normalised_code('labels.outcome_raw') }} = platform_outcomes.outcome_code
    left join {{ ref('stg_voice_ai__outcome_mapping') }} as general_outcomes
        on
            general_outcomes.platform = '*'
            and {{ voice_ai_analytics.normalised_code('labels.outcome_raw') }} = general_outcomes.outcome_code

),

languages as (

    select
        labels.language as language_given,
        coalesce(known_languages.language, {{ voice_ai_analytics.language_tag('labels.language') }}) as language
    from (select distinct language from {{ rows }} as given) as labels
    left join {{ ref('voice_ai_languages') }} as known_languages
        on lower(labels.language) = known_languages.language_name

)

select
    {{ voice_ai_analytics.key('sessions.platform', 'sessions.session_id') }} as session_key,
    sessions.platform,
    sessions.account,
    sessions.session_id,
    {{ voice_ai_analytics.sha256(salt ~ ' || sessions.user_id') }} as user_key,
    case
        when lower(sessions.channel) in ('voice', 'ivr', 'chat', 'transcript') then lower(sessions.channel)
        when sessions.channel is not null then 'other'
    end as channel,
    sessions.direction,
    languages.language,
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
    coalesce(outcomes.outcome, 'unknown') as outcome,
    sessions.outcome_raw,
    sessions.transfer_reason,
    sessions.resolution,
    sessions.resolution_source,
    sessions.bot_version,
    sessions.asr_model,
    sessions.csat_score,
    sessions.cost_usd,
    sessions.asr_cost_usd,
    sessions.llm_cost_usd,
    sessions.tts_cost_usd,
    sessions.telephony_cost_usd,
    sessions.llm_input_tokens,
    sessions.llm_output_tokens,
    sessions.channel as channel_raw,
    sessions.loaded_at
from current_sessions as sessions
left join outcomes
    on sessions.platform = outcomes.platform and sessions.outcome_raw = outcomes.outcome_raw
left join languages
    on sessions.language = languages.language_given

{%- set counts = [
    'turn_count', 'user_turn_count', 'assistant_turn_count', 'system_turn_count', 'repeated_turn_index_count',
    'error_turn_count', 'misunderstanding_turn_count', 'no_input_turn_count', 'noise_turn_count',
    'no_match_turn_count', 'repeat_turn_count', 'other_turn_count',
    'asr_confidence_count', 'low_asr_confidence_count', 'intent_confidence_count',
    'interruption_known_turn_count', 'interruption_turn_count'
] -%}

{%- set build = voice_ai_analytics.this_build() -%}
{%- set kept = ref('int_voice_ai__sessions_kept') -%}
{%- set affected = ref('int_voice_ai__sessions_affected') -%}
{%- set own_columns = [
    'session_key', 'platform', 'session_id', 'user_key', 'channel', 'language', 'asr_model', 'bot_version', 'started_at',
    'is_started_at_time_known', 'ended_at', 'duration_seconds', 'outcome', 'outcome_raw', 'transfer_reason',
    'declared_turn_count', 'csat_score', 'cost_usd'
] -%}
{%- set sums = ['asr_confidence_sum', 'intent_confidence_sum'] -%}
{%- set former_columns = own_columns + counts + sums + ['first_loaded_at', 'last_loaded_at'] -%}

with sessions as (

    select * from {{ ref('stg_voice_ai__sessions') }}

),

turns as (

    select * from {{ ref('int_voice_ai__turns_aggregated') }}

),

journeys as (

    select * from {{ ref('int_voice_ai__user_journeys') }}

),

users as (

    select * from {{ ref('stg_voice_ai__users') }}

),

rebuilt as (

    select
        sessions.{{ own_columns | join(',
        sessions.') }},
        {%- for count in counts %}
        cast(coalesce(turns.{{ count }}, 0) as integer) as {{ count }},
        {%- endfor %}
        turns.{{ sums | join(',
        turns.') }},
        least(sessions.loaded_at, turns.first_loaded_at) as first_loaded_at,
        greatest(sessions.loaded_at, turns.last_loaded_at) as last_loaded_at,
        false as is_deleted_upstream
    from sessions
    -- A session without turns is a session.
    left join turns on sessions.platform = turns.platform and sessions.session_id = turns.session_id

    {%- if build.fact %}

    union all

    select {{ former_columns | join(', ') }}, true as is_deleted_upstream
    from {{ kept }}
    {%- endif %}

    {%- if not build.is_full %}

    union all

    -- Not rebuilt, but another session of the same user, or the user, has changed.
    select
        fact.{{ former_columns | join(',
        fact.') }},
        fact.is_deleted_upstream
    from journeys
    inner join {{ build.fact }} as fact
        on journeys.session_key = fact.session_key and journeys.started_at = fact.started_at
    left join {{ affected }} as affected on journeys.session_key = affected.session_key
    where affected.session_key is null
    {%- endif %}

),

joined as (

    select
        rebuilt.*,
        users.region,
        users.has_disability,
        users.is_first_time_digital_user,
        {%- for attribute in voice_ai_analytics.user_attributes() %}
        users.{{ attribute }},
        {%- endfor %}
        journeys.user_session_number,
        journeys.is_callback_24h_known,
        journeys.is_called_back_24h,
        journeys.is_followed_by_return_7d,
        rebuilt.outcome not in ('not_connected', 'voicemail', 'in_progress') as is_eligible
    from rebuilt
    -- A session without a known user is a session.
    left join journeys on rebuilt.session_key = journeys.session_key
    left join users on rebuilt.user_key = users.user_key

)

select
    session_key,
    platform,
    session_id,
    user_key,
    channel,
    language,
    region,
    has_disability,
    is_first_time_digital_user,
    asr_model,
    bot_version,
    started_at,
    is_started_at_time_known,
    ended_at,
    duration_seconds,
    outcome,
    outcome_raw,
    transfer_reason,
    is_eligible,
    user_turn_count >= {{ var('voice_ai_engaged_min_user_turns', 1) | int }} as is_engaged,
    outcome = 'completed' as is_completed,
    outcome = 'abandoned' as is_abandoned,
    outcome = 'transferred' as is_transferred,
    is_eligible and outcome <> 'transferred' as is_contained,
    transfer_reason is not null and outcome <> 'transferred' as has_unexplained_transfer_reason,
    declared_turn_count,
    {%- for count in counts %}
    {{ count }},
    {%- endfor %}
    error_turn_count > 0 as has_error,
    cast(error_turn_count as double precision) / nullif(turn_count, 0) as error_turn_proportion,
    asr_confidence_sum,
    asr_confidence_sum / nullif(asr_confidence_count, 0) as asr_confidence_mean,
    {{ voice_ai_analytics.confidence_band('asr_confidence_sum / nullif(asr_confidence_count, 0)') }} as asr_confidence_band,
    intent_confidence_sum,
    intent_confidence_sum / nullif(intent_confidence_count, 0) as intent_confidence_mean,
    csat_score,
    csat_score >= 5 as is_csat_top_box,
    cost_usd,
    user_session_number,
    user_session_number > 1 as is_repeat_user_session,
    is_callback_24h_known,
    case when is_callback_24h_known then is_called_back_24h end as is_called_back_24h,
    {%- for attribute in voice_ai_analytics.user_attributes() %}
    {{ attribute }},
    {%- endfor %}
    is_followed_by_return_7d,
    is_deleted_upstream,
    first_loaded_at,
    last_loaded_at
from joined

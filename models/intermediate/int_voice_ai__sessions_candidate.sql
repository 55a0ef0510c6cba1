{%- set build = voice_ai_analytics.this_build() -%}
{%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
{%- set versions = ref('int_voice_ai__turns_versions') -%}
{%- set attributes = ['region', 'has_disability', 'is_first_time_digital_user'] + voice_ai_analytics.user_attributes() -%}
{%- set journey = ['user_session_number', 'is_callback_24h_known', 'is_called_back_24h', 'is_followed_by_return_7d'] -%}
{%- set sums = voice_ai_analytics.turn_sums().keys() | list + ['repeated_turn_index_count'] -%}
{%- set totals = ['asr_confidence_sum', 'intent_confidence_sum'] -%}
{%- set load_times = ['first_loaded_at', 'last_loaded_at'] -%}
{%- set counts = sums | reject('in', totals + load_times) | list -%}
{%- set given = [
    'session_key', 'platform', 'session_id', 'user_key', 'channel', 'language', 'asr_model', 'bot_version', 'started_at',
    'is_started_at_time_known', 'ended_at', 'duration_seconds', 'outcome', 'outcome_raw', 'transfer_reason',
    'declared_turn_count', 'csat_score', 'cost_usd'
] -%}
{%- set columns = given + counts + totals + load_times %}

-- depends_on: {{ ref('stg_voice_ai__sessions_typed') }}
with turns as (

    select platform, session_id, {{ sums | join(', ') }}
    from {{ ref('int_voice_ai__turns_rolled_up') }} as rolled_up
    where
        not exists (
            select 1 from {{ versions }} as versions
            where versions.platform = rolled_up.platform and versions.session_id = rolled_up.session_id
        )
    union all
    select
        platform,
        session_id,
        {{ voice_ai_analytics.turn_sums().values() | join(', ') }},
        count(*) - count(distinct turn_index) as repeated_turn_index_count
    from {{ versions }}
    where version_number = 1
    group by platform, session_id

),

sessions as (

    select
        sessions.{{ given | join(', sessions.') }},
        turns.{{ (counts + totals) | join(', turns.') }},
        least(sessions.loaded_at, turns.first_loaded_at) as first_loaded_at,
        greatest(sessions.loaded_at, turns.last_loaded_at) as last_loaded_at,
        false as is_deleted_upstream
    from {{ ref('int_voice_ai__sessions') }} as sessions
    -- Sessions without turns count, too.
    left join turns on sessions.platform = turns.platform and sessions.session_id = turns.session_id
    {%- if build.fact %}

    union all

    select {{ columns | join(', ') }}, true as is_deleted_upstream
    from {{ voice_ai_analytics.sessions_deleted_upstream(build) }} as deleted_upstream
    {%- endif %}
    {%- if not build.is_full %}

    union all

    -- Sessions that needn't be rebuilt, but whose user, or another session of that user, has changed.
    select fact.{{ columns | join(', fact.') }}, fact.is_deleted_upstream
    from {{ ref('int_voice_ai__user_journeys') }} as journeys
    inner join {{ build.fact }} as fact
        on journeys.session_key = fact.session_key and journeys.started_at = fact.started_at
    where journeys.session_key not in (select session_key from {{ to_rebuild }})
    {%- endif %}

),

joined as (

    select
        {%- for name in columns %}
        {{ 'cast(coalesce(sessions.' ~ name ~ ', 0) as integer) as ' ~ name if name in counts else 'sessions.' ~ name }},
        {%- endfor %}
        sessions.is_deleted_upstream,
        users.{{ attributes | join(', users.') }},
        journeys.{{ journey | join(', journeys.') }},
        sessions.outcome not in ('not_connected', 'voicemail', 'in_progress') as is_eligible
    from sessions
    -- Sessions without a known user count, too.
    left join {{ ref('int_voice_ai__user_journeys') }} as journeys on sessions.session_key = journeys.session_key
    left join {{ ref('int_voice_ai__users') }} as users on sessions.user_key = users.user_key

)

select
    {{ columns | join(',
    ') }},
    is_deleted_upstream,
    {{ attributes | join(',
    ') }},
    is_eligible,
    user_turn_count >= {{ var('voice_ai_engaged_min_user_turns', 1) | int }} as is_engaged,
    outcome = 'completed' as is_completed,
    outcome = 'abandoned' as is_abandoned,
    outcome = 'transferred' as is_transferred,
    is_eligible and outcome <> 'transferred' as is_contained,
    transfer_reason is not null and outcome <> 'transferred' as has_unexplained_transfer_reason,
    error_turn_count > 0 as has_error,
    cast(error_turn_count as double precision) / nullif(turn_count, 0) as error_turn_proportion,
    asr_confidence_sum / nullif(asr_confidence_count, 0) as asr_confidence_mean,
    {{ voice_ai_analytics.confidence_band('asr_confidence_sum / nullif(asr_confidence_count, 0)') }} as asr_confidence_band,
    intent_confidence_sum / nullif(intent_confidence_count, 0) as intent_confidence_mean,
    csat_score >= 5 as is_csat_top_box,
    {{ journey | join(',
    ') }},
    user_session_number > 1 as is_repeat_user_session
from joined

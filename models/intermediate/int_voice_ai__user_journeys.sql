{%- set build = voice_ai_analytics.this_build() -%}
{%- set sessions = ref('int_voice_ai__sessions') -%}
{%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
{%- set users = ref('int_voice_ai__users') -%}
{%- set columns = ['session_key', 'user_key', 'started_at', 'is_started_at_time_known', 'ended_at'] -%}
{%- set journey_columns = ['user_session_number', 'is_callback_24h_known', 'is_called_back_24h', 'is_followed_by_return_7d'] -%}
{%- set horizons = voice_ai_analytics.data_horizons(build, sessions, to_rebuild) %}

-- depends_on: {{ ref('stg_voice_ai__sessions_typed') }}
with rebuilt_sessions as (

    select {{ columns | join(', ') }} from {{ sessions }}
    {%- if build.fact %}
    union all
    select {{ columns | join(', ') }} from {{ voice_ai_analytics.sessions_deleted_upstream(build) }} as deleted_upstream
    {%- endif %}

),
{% if build.is_full %}
sessions as (

    select * from rebuilt_sessions

),
{% else %}
-- The newest start in the data decides which call-backs can be known; when it moves, some sessions' answer changes.
users_to_look_at as (

    select user_key from rebuilt_sessions where user_key is not null
    union
    select certified_user_key from {{ to_rebuild }} where certified_user_key is not null
    union
    select user_key from {{ users }} where changed_at > {{ build.certified_at }}
    union
    select user_key
    from {{ build.fact }}
    where
        user_key is not null
        and (
            ended_at between {{ horizons.low }} and {{ horizons.high }}
            or (ended_at is null and started_at between {{ horizons.low }} and {{ horizons.high }})
        )

),

sessions as (

    select
        *,
        true as is_rebuilt,
        {%- for column in journey_columns %}
        null as certified_{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from rebuilt_sessions
    union all
    select
        fact.{{ columns | join(', fact.') }},
        false as is_rebuilt,
        fact.{{ journey_columns | join(', fact.') }}
    from {{ build.fact }} as fact
    inner join users_to_look_at on fact.user_key = users_to_look_at.user_key
    where fact.session_key not in (select session_key from {{ to_rebuild }})

),
{% endif %}
neighbours as (

    select
        session_key,
        user_key,
        started_at,
        coalesce(ended_at, started_at) as ended_at,
        is_started_at_time_known,
        {%- if not build.is_full %}
        is_rebuilt,
        certified_{{ journey_columns | join(', certified_') }},
        {%- endif %}
        row_number() over user_sessions as user_session_number,
        lead(started_at) over user_sessions as next_started_at,
        lead(is_started_at_time_known) over user_sessions as is_next_started_at_time_known
    from sessions
    where user_key is not null
    window user_sessions as (partition by user_key order by started_at, session_key)

),

journeys as (

    select
        session_key,
        user_key,
        started_at,
        {%- if not build.is_full %}
        is_rebuilt,
        certified_{{ journey_columns | join(', certified_') }},
        {%- endif %}
        user_session_number,
        (
            is_started_at_time_known
            and {{ voice_ai_analytics.add_seconds('ended_at', 86400) }} <= {{ horizons.now }}
            -- A next session of which only the day is known may lie on either side of the limit.
            and (
                coalesce(is_next_started_at_time_known, true)
                or next_started_at > {{ voice_ai_analytics.add_seconds('ended_at', 86400) }}
            )
        ) as is_callback_24h_known,
        coalesce(
            next_started_at <= {{ voice_ai_analytics.add_seconds('ended_at', 86400) }}, false
        ) as is_called_back_24h,
        coalesce(
            next_started_at <= {{ voice_ai_analytics.add_seconds('ended_at', 7 * 86400) }}, false
        ) as is_followed_by_return_7d
    from neighbours

)
select
    journeys.session_key,
    journeys.user_key,
    journeys.started_at,
    journeys.{{ journey_columns | join(',\n    journeys.') }}
from journeys
{%- if not build.is_full %}
-- Of the sessions that are not rebuilt, those whose journey or user has changed.
left join {{ users }} as changed_users
    on journeys.user_key = changed_users.user_key and changed_users.changed_at > {{ build.certified_at }}
where
    journeys.is_rebuilt
    or changed_users.user_key is not null
    or journeys.certified_user_session_number <> journeys.user_session_number
    or journeys.certified_is_callback_24h_known <> journeys.is_callback_24h_known
    or journeys.certified_is_followed_by_return_7d <> journeys.is_followed_by_return_7d
    -- The fact holds null while a call-back cannot be known.
    or (
        journeys.is_callback_24h_known
        and journeys.certified_is_called_back_24h is distinct from journeys.is_called_back_24h
    )
{%- endif %}

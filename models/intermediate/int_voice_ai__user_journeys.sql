{%- set build = voice_ai_analytics.this_build() -%}
{%- set sessions = ref('int_voice_ai__sessions') -%}
{%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
{%- set users = ref('int_voice_ai__users') -%}
{%- set columns = ['session_key', 'user_key', 'started_at', 'is_started_at_time_known', 'ended_at'] -%}
{%- set journey = ['user_session_number', 'is_callback_24h_known', 'is_called_back_24h', 'is_followed_by_return_7d'] -%}
{%- set horizons = voice_ai_analytics.data_horizons(build, sessions, to_rebuild) %}
{%- set day_after = voice_ai_analytics.add_seconds('coalesce(ended_at, started_at)', 86400) -%}
{%- set week_after = voice_ai_analytics.add_seconds('coalesce(ended_at, started_at)', 7 * 86400) %}

-- depends_on: {{ ref('stg_voice_ai__sessions_typed') }}
with rebuilt_sessions as (

    select {{ columns | join(', ') }} from {{ sessions }}
    {%- if build.fact %}
    union all
    select {{ columns | join(', ') }} from {{ voice_ai_analytics.sessions_deleted_upstream(build) }} as deleted_upstream
    {%- endif %}

),
{% if not build.is_full %}
-- The newest start in the data decides which callbacks can be known, so the answer for some sessions changes with it.
users_to_look_at as (

    select user_key from rebuilt_sessions where user_key is not null
    union
    select certified_user_key from {{ to_rebuild }} where certified_user_key is not null
    union
    select user_key from {{ users }} where changed_at > {{ build.certified_at }}
    union
    select user_key
    from {{ build.fact }}
    where user_key is not null and coalesce(ended_at, started_at) between {{ horizons.low }} and {{ horizons.high }}

),
{% endif %}
sessions as (

    select
        {{ columns | join(', ') }},
        {%- if not build.is_full %}
        null as certified_{{ journey | join(', null as certified_') }},
        {%- endif %}
        true as is_rebuilt
    from rebuilt_sessions
    {%- if not build.is_full %}
    union all
    select
        fact.{{ columns | join(', fact.') }},
        fact.{{ journey | join(', fact.') }},
        false as is_rebuilt
    from {{ build.fact }} as fact
    inner join users_to_look_at on fact.user_key = users_to_look_at.user_key
    where fact.session_key not in (select session_key from {{ to_rebuild }})
    {%- endif %}

),

neighbours as (

    select
        *,
        row_number() over user_sessions as user_session_number,
        lead(started_at) over user_sessions as next_started_at,
        lead(is_started_at_time_known) over user_sessions as is_next_started_at_time_known
    from sessions
    where user_key is not null
    window user_sessions as (partition by user_key order by started_at, session_key)

),

callbacks as (

    select
        *,
        (
            is_started_at_time_known
            and {{ day_after }} <= {{ horizons.now }}
            -- A next session without a time of day could start on either side of the limit.
            and (coalesce(is_next_started_at_time_known, true) or next_started_at > {{ day_after }})
        ) as is_callback_24h_known,
        coalesce(next_started_at <= {{ day_after }}, false) as is_started_again_in_24h,
        coalesce(next_started_at <= {{ week_after }}, false) as is_followed_by_return_7d
    from neighbours

),

journeys as (

    select
        *,
        case when is_callback_24h_known then is_started_again_in_24h end as is_called_back_24h
    from callbacks

)

select
    journeys.session_key,
    journeys.started_at,
    journeys.{{ journey | join(',\n    journeys.') }}
from journeys
{%- if not build.is_full %}
-- Sessions that aren't rebuilt are kept only if their journey or user has changed.
left join {{ users }} as changed_users
    on journeys.user_key = changed_users.user_key and changed_users.changed_at > {{ build.certified_at }}
where
    journeys.is_rebuilt
    or changed_users.user_key is not null
    {%- for name in journey %}
    or journeys.{{ name }} is distinct from journeys.certified_{{ name }}
    {%- endfor %}
{%- endif %}

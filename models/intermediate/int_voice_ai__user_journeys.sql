{{ config(materialized='view') }}
{%- set build = voice_ai_analytics.this_build() -%}
{%- set to_rebuild, users = ref('int_voice_ai__sessions_to_rebuild'), ref('int_voice_ai__users') -%}
{%- set of_user = ['session_key', 'user_key', 'started_at', 'is_started_at_time_known', 'ended_at'] -%}
{%- set sums = voice_ai_analytics.turn_sums().keys() | list + ['repeated_turn_index_count'] -%}
{%- set columns, journey = voice_ai_analytics.session_columns(), voice_ai_analytics.journey_columns() -%}
{%- set horizons = voice_ai_analytics.data_horizons(build, ref('int_voice_ai__sessions'), to_rebuild, 'rebuilt_sessions') %}
{%- set day_after = voice_ai_analytics.add_seconds('coalesce(ended_at, started_at)', 86400) -%}
{%- set week_after = voice_ai_analytics.add_seconds('coalesce(ended_at, started_at)', 7 * 86400) %}
{#- A next session without a time of day could start on either side of the limit. -#}
{%- set is_known = '(is_started_at_time_known and ' ~ day_after ~ ' <= ' ~ horizons.now
    ~ ' and (coalesce(is_next_started_at_time_known, true) or next_started_at > ' ~ day_after ~ '))' %}

-- depends_on: {{ ref('stg_voice_ai__sessions_typed') }} {{ ref('int_voice_ai__turns_rolled_up') }} {{ ref('int_voice_ai__turns_versions') }}
with rebuilt_sessions as (

    select
        {{ columns | join(', ') }}, loaded_at, {{ "null as " ~ sums | join(', null as ') ~ "," if build.fact }}
        true as is_in_source, false as is_deleted_upstream
    from {{ ref('int_voice_ai__sessions') }}
    {%- if build.fact %}
    union all
    select
        {{ columns | join(', ') }}, null as loaded_at, {{ sums | join(', ') }},
        false as is_in_source, true as is_deleted_upstream
    from {{ voice_ai_analytics.sessions_deleted_upstream(build) }} as deleted_upstream
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
    where coalesce(ended_at, started_at) between {{ horizons.low }} and {{ horizons.high }} and user_key is not null

),
{% endif %}
sessions_of_users as (

    select {{ of_user | join(', ') }}, null as certified_{{ journey | join(', null as certified_') }}, true as is_rebuilt
    from rebuilt_sessions
    where user_key is not null
    {%- if not build.is_full %}
    union all
    select fact.{{ of_user | join(', fact.') }}, fact.{{ journey | join(', fact.') }}, false as is_rebuilt
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
    from sessions_of_users
    window user_sessions as (partition by user_key order by started_at, session_key)

),

journeys as (

    select
        *,
        {{ is_known }} as is_callback_24h_known,
        case when {{ is_known }} then coalesce(next_started_at <= {{ day_after }}, false) end as is_called_back_24h,
        coalesce(next_started_at <= {{ week_after }}, false) as is_followed_by_return_7d
    from neighbours

){% if not build.is_full %},

-- Sessions that needn't be rebuilt, but whose user or journey has changed.
changed as (

    select * from journeys
    where
        not is_rebuilt
        and (
            user_key in (select user_key from {{ users }} where changed_at > {{ build.certified_at }})
            {%- for name in journey %}
            or {{ name }} is distinct from certified_{{ name }}
            {%- endfor %}
        )

){% endif %}

select sessions.*, journeys.{{ journey | join(', journeys.') }}
from rebuilt_sessions as sessions
-- Sessions without a known user count, too.
left join journeys on sessions.session_key = journeys.session_key
{%- if not build.is_full %}
union all
select
    fact.{{ columns | join(', fact.') }}, null as loaded_at, fact.{{ sums | join(', fact.') }},
    false as is_in_source, fact.is_deleted_upstream,
    changed.{{ journey | join(', changed.') }}
from changed
inner join {{ build.fact }} as fact on changed.session_key = fact.session_key and changed.started_at = fact.started_at
union all
-- Sessions of platforms that report their first error in this batch, or no longer report any.
select
    {{ columns | join(', ') }}, null as loaded_at, {{ sums | join(', ') }},
    false as is_in_source, is_deleted_upstream, {{ journey | join(', ') }}
from {{ build.fact }}
where
    (error_turn_count is not null) <> (platform in {{ voice_ai_analytics.platforms_that_report_errors(build) }})
    and session_key not in (select session_key from {{ to_rebuild }} union all select session_key from changed)
{%- endif %}

{%- set build = voice_ai_analytics.this_build() -%}
{%- set sessions = ref('stg_voice_ai__sessions_typed') -%}
{%- set turns = ref('stg_voice_ai__turns_typed') -%}
{%- set text = dbt.type_string() %}
-- Tests hold up what comes after all that they read, and those of all inputs read these, too:
-- depends_on: {{ ref('stg_voice_ai__tool_calls_typed') }} {{ ref('stg_voice_ai__evaluations_typed') }}
{% if build.is_full -%}
-- A full build reads everything, so it needs no list.
select
    cast(null as {{ text }}) as platform,
    cast(null as {{ text }}) as session_id,
    cast(null as {{ text }}) as session_key,
    cast(null as {{ text }}) as certified_user_key,
    cast(null as integer) as certified_turn_count,
    cast(null as boolean) as is_certified,
    cast(null as boolean) as is_deleted_upstream,
    cast(null as timestamp) as first_loaded_at
where false
{%- else -%}
{%- set rows_may_have_left = (build.sessions_days_read_before + build.turns_days_read_before) | unique | list -%}
with on_changed_days as (

    select platform, session_id, true as has_session_row, loaded_at
    from {{ sessions }}
    where platform is not null and session_id is not null and {{ voice_ai_analytics.is_on_changed_day('sessions', build) }}
    union all
    select platform, session_id, false as has_session_row, loaded_at
    from {{ turns }}
    where platform is not null and session_id is not null and {{ voice_ai_analytics.is_on_changed_day('turns', build) }}

),

changed as (

    select
        platform,
        session_id,
        {{ voice_ai_analytics.key('platform', 'session_id') }} as session_key,
        max(case when has_session_row then 1 else 0 end) = 1 as has_session_row,
        min(case when not ({{ voice_ai_analytics.is_out_of_time('loaded_at') }}) then loaded_at end) as first_loaded_at
    from on_changed_days
    group by platform, session_id

),

certified as (

    select platform, session_id, session_key, user_key, turn_count, is_deleted_upstream, first_loaded_at
    from {{ build.fact }}
    where
        session_key in (select session_key from changed)
        {%- if rows_may_have_left %}
        or {{ voice_ai_analytics.is_loaded_on(rows_may_have_left, 'first_loaded_at', 'last_loaded_at') }}
        {%- endif %}

),

quarantined_rows as (

    select platform, session_id, loaded_at, true as is_session_row from {{ build.quarantined_sessions }}
    union all
    select platform, session_id, loaded_at, false as is_session_row from {{ build.quarantined_turns }}

),

quarantined as (

    select
        platform,
        session_id,
        max(case when is_session_row then 1 else 0 end) = 1 as has_session_row,
        min(case when not ({{ voice_ai_analytics.is_out_of_time('loaded_at') }}) then loaded_at end) as first_loaded_at,
        max(case when not ({{ voice_ai_analytics.is_out_of_time('loaded_at') }}) then loaded_at end) as last_loaded_at
    from quarantined_rows
    where platform is not null and session_id is not null
    group by platform, session_id

),

-- Sessions that have turns but no session row anywhere aren't rebuilt: only their new turns are read. Otherwise, if a
-- platform gives every lost session the id 'unknown', every batch would reread all of its older turns.
to_rebuild as (

    select platform, session_id from changed where has_session_row
    union
    select platform, session_id from certified
    union
    select quarantined.platform, quarantined.session_id
    from quarantined
    left join changed on quarantined.platform = changed.platform and quarantined.session_id = changed.session_id
    where
        quarantined.has_session_row
        and (
            changed.session_id is not null
            or {{ voice_ai_analytics.is_loaded_on(
                rows_may_have_left, 'quarantined.first_loaded_at', 'quarantined.last_loaded_at') }}
        )

)

select
    to_rebuild.platform,
    to_rebuild.session_id,
    {{ voice_ai_analytics.key('to_rebuild.platform', 'to_rebuild.session_id') }} as session_key,
    certified.user_key as certified_user_key,
    certified.turn_count as certified_turn_count,
    certified.session_id is not null as is_certified,
    coalesce(certified.is_deleted_upstream, false) as is_deleted_upstream,
    least(changed.first_loaded_at, certified.first_loaded_at, quarantined.first_loaded_at) as first_loaded_at
from to_rebuild
left join changed on to_rebuild.platform = changed.platform and to_rebuild.session_id = changed.session_id
left join certified on to_rebuild.platform = certified.platform and to_rebuild.session_id = certified.session_id
left join quarantined on to_rebuild.platform = quarantined.platform and to_rebuild.session_id = quarantined.session_id
{%- endif %}

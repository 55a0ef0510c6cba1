-- Mistake prevented: a filter or an inner join loses or doubles an input row on its way to staging or quarantine
-- (lost_rows), or the input no longer matches what builds have read (raw_rows differs from staged_rows plus
-- quarantined_rows). In that case, dbt build --full-refresh reads everything again.
-- Totals are those of the last build, minus what this build replaces, plus what it writes instead.
{%- set build = voice_ai_analytics.this_build() -%}
{%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
{%- set candidate = ref('int_voice_ai__sessions_candidate') -%}
{%- set sessions = ref('int_voice_ai__sessions') -%}
{%- set rows_read = {
    'sessions': 'select count(*) from ' ~ voice_ai_analytics.rows_of_build('sessions', build) ~ ' as given',
    'turns': 'select coalesce(sum(turn_count), 0) from ' ~ ref('int_voice_ai__turns_rolled_up'),
    'users': 'select count(*) from ' ~ voice_ai_analytics.users_of_build(build) ~ ' as given'
} -%}
{%- set rows_staged = {
    'sessions': 'select count(*) from ' ~ sessions,
    'turns': 'select coalesce(sum(candidate.turn_count), 0) from ' ~ candidate ~ ' as candidate inner join ' ~ sessions
        ~ ' as sessions on candidate.session_key = sessions.session_key',
    'users': 'select count(*) from ' ~ voice_ai_analytics.current_rows(
        voice_ai_analytics.users_of_build(build), ref('int_voice_ai__users_versions'), ['user_id'], ['user_id']
    ) ~ ' as current_rows'
} %}

with counted as (
    {% for table in ['sessions', 'turns', 'users'] %}
    {%- set rows = 'count(*)' if table == 'sessions' else 'coalesce(sum(turn_count), 0)' %}
    select
        '{{ table }}' as table_name,
        (
            select coalesce(sum(row_count), 0)
            from {{ ref('int_voice_ai__load_days') }}
            where build_id = '{{ build.build_id }}' and table_name = '{{ table }}'
        ) as raw_rows,
        -- Rows that arrive during a build make their day differ in the next build, which then reads them.
        (
            select count(*)
            from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }}
            where {{ voice_ai_analytics.is_loaded_until(build[table ~ '_until']) }}
        ) as raw_rows_now,
        ({{ rows_read[table] }}) as rows_read,
        ({{ rows_staged[table] }}) as rows_staged,
        (
            select count(*)
            from {{ ref('int_voice_ai__' ~ table ~ '_versions') }}
            where version_number is null or version_number > 1
        ) as rows_rejected,
        {%- if table == 'users' %}
        (
            select count(*)
            from {{ ref('int_voice_ai__users') }}
            where not is_deleted_upstream
        )
        {%- elif build.is_full %}
        0
        {%- else %}
        (
            select {{ rows }}
            from {{ build.fact }}
            where not is_deleted_upstream
        )
        - (
            select {{ rows | replace('turn_count', 'certified_turn_count') }}
            from {{ to_rebuild }}
            where is_certified and not is_deleted_upstream
        )
        {%- endif %} as other_rows_staged,
        {%- if build.is_full %}
        0
        {%- else %}
        (
            select count(*)
            from {{ build['quarantined_' ~ table] }}
            where not coalesce({{ voice_ai_analytics.is_replaced_in_quarantine(table, build) }}, false)
        )
        {%- endif %} as other_rows_quarantined
    {{ "union all" if not loop.last }}
    {% endfor %}
),

totals as (

    select
        table_name,
        raw_rows,
        raw_rows_now,
        case when table_name = 'users' then 0 else rows_staged end + other_rows_staged as staged_rows,
        rows_rejected + other_rows_quarantined as quarantined_rows,
        rows_read - rows_staged - rows_rejected as lost_rows
    from counted

)

select *
from totals
where
    raw_rows = raw_rows_now
    and (lost_rows <> 0 or raw_rows <> staged_rows + quarantined_rows)

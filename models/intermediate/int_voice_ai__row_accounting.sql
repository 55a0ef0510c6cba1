{#- Totals are those of the last build, less what this one replaces, and what it puts in their place: counting all of
    staging would cost as much as all of history. -#}
{%- set build = voice_ai_analytics.this_build() -%}
{%- set affected = ref('int_voice_ai__sessions_affected') -%}

with counted as (
    {% for table in ['sessions', 'turns', 'users'] %}
    {%- set former = build['quarantined_' ~ table] %}
    {%- set given = ref('input_voice_ai__' ~ table) %}
    {%- set checked = ref('stg_voice_ai__' ~ table ~ '_checked') %}
    select
        '{{ table }}' as table_name,
        (
            select count(*)
            from {{ checked if not build.is_full and build[table ~ '_until'] else given }}
            {%- if not build.is_full and build[table ~ '_until'] %}
            where loaded_at is null or loaded_at <= {{ build[table ~ '_until'] }}
            {%- endif %}
        ) as raw_rows,
        (
            select count(*)
            from {{ ref('stg_voice_ai__users_ranked') if table == 'users' else voice_ai_analytics.rows_of_build(table, build) }}
        ) as build_rows,
        {%- if table == 'sessions' %}
        (select count(*) from {{ ref('stg_voice_ai__sessions') }}) as build_staged_rows,
        {%- elif table == 'turns' %}
        (select coalesce(sum(turn_count), 0) from {{ ref('int_voice_ai__turns_aggregated') }}) as build_staged_rows,
        {%- else %}
        (
            select count(*)
            from {{ ref('stg_voice_ai__users_ranked') }}
            where quarantine_reasons is null and version_number = 1
        ) as build_staged_rows,
        {%- endif %}
        (select count(*) from {{ ref('stg_voice_ai__' ~ table ~ '_refused') }}) as build_refused_rows,
        {%- if table == 'users' %}
        (
            select count(*)
            from {{ ref('stg_voice_ai__users') }}
            where not is_deleted_upstream
        )
        {%- elif build.is_full %}
        0
        {%- else %}
        {%- set rows = 'count(*)' if table == 'sessions' else 'coalesce(sum(turn_count), 0)' %}
        (
            select {{ rows }}
            from {{ build.fact }}
            where not is_deleted_upstream
        )
        - (
            select {{ rows | replace('turn_count', 'certified_turn_count') }}
            from {{ affected }}
            where is_certified and not is_deleted_upstream
        )
        {%- endif %} as other_staged_rows,
        {%- if build.is_full %}
        0
        {%- else %}
        (
            select count(*)
            from {{ former }}
            where not coalesce({{ voice_ai_analytics.is_replaced_in_quarantine(table, build) }}, false)
        )
        {%- endif %} as other_quarantined_rows
    {{ "union all" if not loop.last }}
    {% endfor %}
),

totals as (

    select
        table_name,
        cast(raw_rows as bigint) as raw_rows,
        cast(case when table_name = 'users' then 0 else build_staged_rows end + other_staged_rows as bigint) as staged_rows,
        cast(build_refused_rows + other_quarantined_rows as bigint) as quarantined_rows,
        cast(build_rows - build_staged_rows - build_refused_rows as bigint) as lost_rows
    from counted

)

select
    table_name,
    raw_rows,
    staged_rows,
    quarantined_rows,
    greatest(staged_rows + quarantined_rows - raw_rows, 0) as rows_no_longer_in_source,
    greatest(raw_rows - staged_rows - quarantined_rows, 0) as unread_rows,
    lost_rows
from totals

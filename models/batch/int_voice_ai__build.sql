{%- do voice_ai_analytics.check_vars() -%}
{%- set rules = voice_ai_analytics.rules_digest() -%}
{%- set last = voice_ai_analytics.last_certified_build(rules) if execute -%}
{%- set has_fact = execute and voice_ai_analytics.as_built('fact_voice_ai_sessions') is not none -%}
{#- With more changed days than this, a full build is less work than a batch. -#}
{%- set most_days = 100 -%}

with load_days as (

    select * from {{ ref('int_voice_ai__load_days') }}

),

changed_days as (

    select
        table_name,
        loaded_on,
        min(case when build_id <> '{{ invocation_id }}' then 1 else 2 end) = 1 as was_read_before
    from load_days
    where build_id in ('{{ invocation_id }}', '{{ last.build_id if last }}')
    group by table_name, loaded_on
    having count(*) <> 2 or min(row_count) <> max(row_count) or min(row_hash) <> max(row_hash)

),

batch as (

    select
        {%- for table in ['sessions', 'turns', 'users'] %}
        string_agg(case when table_name = '{{ table }}' then loaded_on end, ',' order by loaded_on) as {{ table }}_days,
        string_agg(case when table_name = '{{ table }}' and was_read_before then loaded_on end, ',' order by loaded_on)
            as {{ table }}_days_read_before,
        {%- endfor %}
        count(*) as changed_day_count
    from changed_days

),

source as (

    select
        {%- for table in ['sessions', 'turns', 'users'] %}
        max(case when table_name = '{{ table }}' then newest_loaded_at end) as {{ table }}_until,
        {%- endfor %}
        sum(case when table_name = 'sessions' then row_count else 0 end) as raw_session_rows
    from load_days
    where build_id = '{{ invocation_id }}'

)

select
    '{{ invocation_id }}' as build_id,
    {{ voice_ai_analytics.to_utc('current_timestamp') }} as started_at,
    '{{ rules }}' as rules,
    (
        {{ 'false' if last else 'true' }}
        or batch.changed_day_count > {{ most_days }}
        or '{{ last.build_id if last }}' not in (select build_id from load_days)
    ) as is_full,
    {{ has_fact }} as has_fact,
    {{ voice_ai_analytics.keeps_history() }} as keeps_history,
    {{ voice_ai_analytics.is_history_whole() }} as is_history_whole,
    {{ voice_ai_analytics.timestamp_literal(last.started_at if last else none) or 'cast(null as timestamp)' }} as certified_at,
    {%- for table in ['sessions', 'turns', 'users'] %}
    batch.{{ table }}_days,
    batch.{{ table }}_days_read_before,
    source.{{ table }}_until,
    {%- endfor %}
    cast(coalesce(source.raw_session_rows, 0) as bigint) as raw_session_rows
from batch
cross join source

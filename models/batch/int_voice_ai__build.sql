{{ config(pre_hook="{{ voice_ai_analytics.take_the_build() }}") }}

{%- set rules = voice_ai_analytics.rules_digest() -%}
{%- set sessions = ref('stg_voice_ai__sessions_checked') -%}
{%- set turns = ref('stg_voice_ai__turns_checked') -%}
{%- set users = ref('stg_voice_ai__users_checked') -%}
{%- set has_fact = execute and voice_ai_analytics.as_built('fact_voice_ai_sessions') is not none -%}
{%- set last = voice_ai_analytics.last_certified_build(rules) if execute -%}

with windows as (

    select
        {{ last.started_at if last else 'cast(null as timestamp)' }} as certified_at,
        {%- for table in ['sessions', 'turns', 'users'] %}
        {{ last[table ~ '_from'] or 'cast(null as timestamp)' if last else 'cast(null as timestamp)' }} as {{ table }}_from,
        {{ last[table ~ '_until'] if last else 'cast(null as timestamp)' }} as {{ table }}_last_until,
        {%- endfor %}
        {{ last.raw_session_rows if last else 0 }} as last_raw_session_rows,
        {{ not last }} as is_full

)

select
    '{{ invocation_id }}' as build_id,
    {{ voice_ai_analytics.to_utc('current_timestamp') }} as started_at,
    '{{ rules }}' as rules,
    windows.is_full,
    {{ has_fact }} as has_fact,
    {{ voice_ai_analytics.keeps_history() }} as keeps_history,
    {{ voice_ai_analytics.is_history_whole() }} as is_history_whole,
    windows.certified_at,
    {%- for table, relation in {'sessions': sessions, 'turns': turns, 'users': users}.items() %}
    windows.{{ table }}_from,
    greatest(windows.{{ table }}_last_until, (
        select max(loaded_at) from {{ relation }}
        {%- if last and last[table ~ '_from'] %} where loaded_at >= {{ last[table ~ '_from'] }}{% endif %}
    )) as {{ table }}_until,
    {%- endfor %}
    (select count(*) from {{ ref('input_voice_ai__sessions') }}) as raw_session_rows,
    {%- if last %}
    windows.last_raw_session_rows + (
        select count(*) from {{ sessions }} where loaded_at > {{ last.sessions_until }}
    ) <> (select count(*) from {{ ref('input_voice_ai__sessions') }}) as is_session_count_off
    {%- else %}
    false as is_session_count_off
    {%- endif %}
from windows

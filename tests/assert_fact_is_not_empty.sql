-- Mistake prevented: no session of the input could be read, and an empty fact is certified.
{%- set build = voice_ai_analytics.this_build() %}
select
    table_name,
    sum(row_count) as row_count
from {{ ref('int_voice_ai__load_days') }}
where
    build_id = '{{ build.build_id }}'
    and table_name in ('sessions', 'turns')
    and not exists (select 1 from {{ ref('int_voice_ai__sessions_candidate') }})
    and not exists (select 1 from {{ build.fact or ref('int_voice_ai__sessions_candidate') }})
group by table_name
having sum(row_count) > 0

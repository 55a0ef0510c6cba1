-- Mistake prevented: a platform changes its export (day before month), nearly every row is quarantined, and the few
-- others replace the certified fact. A few bad rows belong in quarantine, but bad rows in most
-- of a table mean a broken load. Rows that are valid by themselves (duplicates, turns without a session) aren't bad.
{%- set build = voice_ai_analytics.this_build() %}

with rows_read as (

    select
        'sessions' as table_name,
        platform,
        count(*) as raw_rows,
        count(quarantine_reasons) as bad_rows
    from {{ voice_ai_analytics.rows_of_build('sessions', build) }} as sessions
    group by platform
    union all
    select
        'turns' as table_name,
        platform,
        sum(turn_count) as raw_rows,
        sum(rejected_turn_count) as bad_rows
    from {{ ref('int_voice_ai__turns_rolled_up') }}
    group by platform
    {%- for table in ['tool_calls', 'evaluations'] %}
    union all
    select
        '{{ table }}' as table_name,
        platform,
        count(*) as raw_rows,
        count(quarantine_reasons) as bad_rows
    from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }}
    group by platform
    {%- endfor %}

)

select
    table_name,
    platform,
    sum(raw_rows) as raw_rows,
    sum(bad_rows) as bad_rows
from rows_read
group by grouping sets ((table_name, platform), (table_name))
having
    -- Rows without a platform are bad, but aren't a platform.
    (platform is not null or grouping(platform) = 1)
    and sum(bad_rows) * 2 > sum(raw_rows)
    -- A batch, or a stray platform, can be a handful of rows, of which a few bad ones aren't a broken export.
    and (sum(bad_rows) >= 10 or (grouping(platform) = 1 and table_name in ('tool_calls', 'evaluations'))
        {{ 'or grouping(platform) = 1' if build.is_full }})

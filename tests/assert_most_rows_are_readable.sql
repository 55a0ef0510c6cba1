-- Mistake prevented: a platform changes its export (the order of a date, confidences in per cent), nearly every row is
-- quarantined, and the certified fact is replaced by the rest. A few bad rows are quarantine's work; most of a table is
-- a broken load. Rows that are good in themselves do not count: duplicates, and turns whose session is not there.
{%- set build = voice_ai_analytics.this_build() %}

with checked_rows as (

    {% for table in ['sessions', 'turns'] %}
    select
        '{{ table }}' as table_name,
        platform,
        case when quarantine_reasons is not null then 1 else 0 end as is_bad
    from {{ voice_ai_analytics.rows_of_build(table, build) }}
    {{ "union all" if not loop.last }}
    {% endfor %}

)

select
    table_name,
    platform,
    count(*) as raw_rows,
    sum(is_bad) as bad_rows
from checked_rows
group by grouping sets ((table_name, platform), (table_name))
having
    -- Rows without a platform are bad, but no platform.
    (platform is not null or grouping(platform) = 1)
    and count(*) >= 100
    and sum(is_bad) * 2 > count(*)

with counted as (
    {% for table in ['sessions', 'turns', 'users'] %}
    select
        '{{ table }}' as table_name,
        (
            select coalesce(sum(row_count), 0)
            from {{ ref('int_voice_ai__load_days') }}
            where build_id = (select build_id from {{ ref('int_voice_ai__build') }}) and table_name = '{{ table }}'
        ) as raw_rows,
        (
            select {{ 'coalesce(sum(turn_count), 0)' if table == 'turns' else 'count(*)' }}
            from {{ ref('int_voice_ai__users' if table == 'users' else 'fact_voice_ai_sessions') }}
            where not is_deleted_upstream
        ) as staged_rows,
        (select count(*) from {{ ref('quarantine_voice_ai__' ~ table) }}) as quarantined_rows
    union all
    {%- endfor %}
    {%- for table in ['tool_calls', 'evaluations'] %}
    select
        '{{ table }}' as table_name,
        (select count(*) from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }}) as raw_rows,
        (select count(*) from {{ ref('fact_voice_ai_' ~ table) }}) as staged_rows,
        (select count(*) from {{ ref('quarantine_voice_ai__' ~ table) }}) as quarantined_rows
    -- An optional input that isn't there has no row here.
    where exists (select 1 from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }})
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    table_name,
    cast(raw_rows as bigint) as raw_rows,
    cast(staged_rows as bigint) as staged_rows,
    cast(quarantined_rows as bigint) as quarantined_rows,
    cast(greatest(staged_rows + quarantined_rows - raw_rows, 0) as bigint) as rows_no_longer_in_source,
    cast(greatest(raw_rows - staged_rows - quarantined_rows, 0) as bigint) as unread_rows
from counted

{#- The checked rows of a batch: every row, however old, of an affected session, and the new rows of sessions that are
    read in part or have no name.
    Old rows are looked for from when the first row of any affected session was loaded, so that an engine which keeps
    tables in load order, or has an index on loaded_at, need not look at all of history. -#}
{% macro read_batch(table) -%}
    {%- set build = voice_ai_analytics.this_build() -%}
    {%- set affected = ref('int_voice_ai__sessions_affected') -%}
    {%- set checked = ref('stg_voice_ai__' ~ table ~ '_checked') -%}
    {%- if build.is_full -%}
select * from {{ checked }} where false
    {%- else -%}
    {%- set first = voice_ai_analytics.timestamp_literal(
        run_query('select min(first_loaded_at) as first_loaded_at from ' ~ affected).rows[0]['first_loaded_at']
    ) -%}
    {%- set start = build[table ~ '_from'] -%}
select checked_rows.*
from {{ checked }} as checked_rows
inner join {{ affected }} as affected
    on
        checked_rows.platform = affected.platform
        and checked_rows.session_id = affected.session_id
where
    not affected.is_read_in_part
    {%- if not voice_ai_analytics.backfill_range() %}
    and (
        checked_rows.loaded_at is null
        or (
            checked_rows.loaded_at >= {{ 'least(' ~ first ~ ', ' ~ start ~ ')' if first else start }}
            {%- if build[table ~ '_until'] %}
            and checked_rows.loaded_at <= {{ build[table ~ '_until'] }}
            {%- endif %}
        )
    )
    {%- endif %}
union all
select *
from {{ checked }}
where
    (
        platform is null
        or session_id is null
        or (platform, session_id) in (select platform, session_id from {{ affected }} where is_read_in_part)
    )
    and {{ voice_ai_analytics.is_new_row(build, table) }}
    {%- endif -%}
{%- endmacro %}

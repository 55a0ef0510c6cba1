{#- Typed rows of sessions or turns that this build reads, as a subquery in parentheses. A full build reads everything.
    A batch reads every row, however old, of the sessions to rebuild, plus the other rows on changed days, which name no
    session or one without a session row.
    Rows that arrive after the build started wait for the next one. The search for old rows starts at the earliest load
    among the sessions to rebuild, so that an engine with an index on loaded_at, or tables in load order, doesn't read
    all of history. -#}
{% macro rows_of_build(table, build) -%}
    {%- set typed_rows = ref('stg_voice_ai__' ~ table ~ '_typed') -%}
    {%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
    {%- set until = build[table ~ '_until'] -%}
    {%- if build.is_full -%}
(
    select *
    from {{ typed_rows }}
    where {{ voice_ai_analytics.is_loaded_until(until) }}
)
    {%- else -%}
    {%- set first = voice_ai_analytics.timestamp_literal(
        run_query('select min(first_loaded_at) as first_loaded_at from ' ~ to_rebuild).rows[0]['first_loaded_at']
    ) if execute -%}
(
    select typed_rows.*
    from {{ typed_rows }} as typed_rows
    inner join {{ to_rebuild }} as to_rebuild
        on typed_rows.platform = to_rebuild.platform and typed_rows.session_id = to_rebuild.session_id
    where
        {%- if not first %}
        false
        {%- elif voice_ai_analytics.backfill_range() %}
        true
        {%- else %}
        typed_rows.loaded_at is null
        or {{ voice_ai_analytics.is_out_of_time('typed_rows.loaded_at') }}
        or typed_rows.loaded_at between {{ first }} and {{ until or first }}
        {%- endif %}
    union all
    select typed_rows.*
    from {{ typed_rows }} as typed_rows
    where
        {{ voice_ai_analytics.is_on_changed_day(table, build) }}
        and not exists (
            select 1
            from {{ to_rebuild }} as to_rebuild
            where typed_rows.platform = to_rebuild.platform and typed_rows.session_id = to_rebuild.session_id
        )
)
    {%- endif -%}
{%- endmacro %}

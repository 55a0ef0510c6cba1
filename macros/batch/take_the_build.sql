{#- On-run-start hook. Two builds at once would overwrite each other's tables, so one of them stops with an error. A
    build that starts writes its id to a lock table, unless another build is running, and each of its models then locks
    that table (hold_the_build). DuckDB needs none of this: it admits one process at a time. -#}
{% macro take_the_build() -%}
    {%- set written = [] -%}
    {%- for unique_id in selected_resources
        if modules.re.match('(model|seed|snapshot)[.]voice_ai_analytics[.]', unique_id) -%}
        {%- do written.append(unique_id) -%}
    {%- endfor -%}
    {%- if written and voice_ai_analytics.is_building() -%}
        {{ return(adapter.dispatch('voice_ai_take_the_build', 'voice_ai_analytics')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_take_the_build() -%} {%- endmacro %}

{% macro postgres__voice_ai_take_the_build() -%}
    {%- set build_lock = voice_ai_analytics.build_lock() -%}
    {#- If a consumer puts the seeds in another schema, `dbt seed` runs before the staging schema exists. -#}
    {%- if not adapter.check_schema_exists(build_lock.database, build_lock.schema) %}
create schema if not exists {{ adapter.quote(build_lock.schema) }};
    {%- endif %}
create table if not exists {{ build_lock }} (build_id text);
do $$
begin
    lock table {{ build_lock }} in access exclusive mode nowait;
    -- Tests hold no lock, but show up as active queries. A reader could write anything into a query.
    if exists (
        select 1
        from pg_stat_activity
        where
            pid <> pg_backend_pid()
            and datname = current_database()
            and state <> 'idle'
            and has_schema_privilege(usesysid, '{{ build_lock.schema }}', 'create')
            and query like '%"app": "dbt"%{{ build_lock.schema }}%'
    ) then
        raise lock_not_available;
    end if;
    delete from {{ build_lock }};
    insert into {{ build_lock }} values ('{{ invocation_id }}');
exception when lock_not_available then
    raise exception 'another build of voice_ai_analytics is running: this one stops, run it again later';
end $$
{%- endmacro %}

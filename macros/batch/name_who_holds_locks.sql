{#- On-run-end hook. PostgreSQL says that a lock timed out, but not who holds it. Names the sessions that still hold what
    a node waited for. -#}
{% macro name_who_holds_locks() -%}
    {%- set waited = [] -%}
    {%- for result in results if 'lock timeout' in result.message | string and result.node.relation_name -%}
        {%- do waited.append(result.node.relation_name) -%}
    {%- endfor -%}
    {%- if waited and execute -%}
        {{ return(adapter.dispatch('voice_ai_name_who_holds_locks', 'voice_ai_analytics')(waited)) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_name_who_holds_locks(relations) -%} {%- endmacro %}

{% macro postgres__voice_ai_name_who_holds_locks(relations) -%}
    {%- set holders = run_query(
        "select distinct activity.pid, activity.usename, activity.application_name, activity.xact_start"
        ~ " from pg_locks inner join pg_stat_activity as activity on pg_locks.pid = activity.pid"
        ~ " where pg_locks.granted and pg_locks.pid <> pg_backend_pid() and pg_locks.relation in (to_regclass('"
        ~ relations | join("'), to_regclass('") ~ "')) order by activity.xact_start"
    ) -%}
    {%- for holder in holders.rows -%}
        {%- do exceptions.warn(
            'user ' ~ holder[1] ~ ' (application ' ~ (holder[2] or 'unknown') ~ ') holds ' ~ relations | join(', ')
            ~ ' in a transaction that is open since ' ~ (holder[3] or 'an unknown time')
            ~ '; end it with select pg_terminate_backend(' ~ holder[0] ~ ') and run dbt build again'
        ) -%}
    {%- endfor -%}
{%- endmacro %}

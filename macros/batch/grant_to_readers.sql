{#- Post-hook of every model and snapshot. dbt replaces tables, and a new table has no grants: a certified one is granted,
    in the transaction that replaces it, to the roles that `voice-ai create-roles` has written down. -#}
{% macro grant_to_readers() -%}
    {%- if voice_ai_analytics.is_building() and model.config.meta.get('voice_ai_certified') == true -%}
        {{ return(adapter.dispatch('voice_ai_grant_to_readers', 'voice_ai_analytics')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_grant_to_readers() -%} {%- endmacro %}

{% macro postgres__voice_ai_grant_to_readers() -%}
    {%- set readers = voice_ai_analytics.build_lock().replace_path(identifier='voice_ai_certified_readers') -%}
do $$
declare
    reader text;
begin
    if to_regclass('{{ readers }}') is null then
        return;
    end if;
    for reader in
        select pg_roles.rolname
        from {{ readers }} as readers
        inner join pg_roles on readers.role_name = pg_roles.rolname
        where not has_table_privilege(pg_roles.oid, '{{ this }}', 'select')
    loop
        execute format('grant select on %s to %I', '{{ this }}', reader);
    end loop;
end $$
{%- endmacro %}

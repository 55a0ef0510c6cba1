{#- Selects every payload of a platform that is on, with where it came from. `account` is the table's name if the var
    voice_ai_platforms names tables, and otherwise null. -#}
{% macro platform_payloads(platform) -%}
    {%- set raw = source('voice_ai', 'sessions') -%}
    {%- set tables = voice_ai_analytics.platform_tables().get(platform) or [] -%}
    {%- for table in tables or [platform] %}
    {%- set parts = table.split('.') -%}
    {%- set relation = api.Relation.create(
        database=parts[-3] if parts | length > 2 else raw.database,
        schema=parts[-2] if parts | length > 1 else raw.schema,
        identifier=parts[-1]
    ) -%}
    {%- if execute and flags.WHICH in ('build', 'run') and not load_relation(relation) -%}
        {%- do exceptions.raise_compiler_error(
            'voice_ai_platforms names ' ~ platform ~ ', but there is no table ' ~ relation ~ ': run voice-ai load ' ~ platform
            ~ ' PATH, or name its tables'
        ) -%}
    {%- endif -%}
    {%- if not loop.first %}
    union all
    {% endif -%}
    select
        payload,
        source_file,
        position,
        content_hash,
        loaded_at,
        cast({{ "'" ~ parts[-1] ~ "'" if tables else 'null' }} as {{ dbt.type_string() }}) as account
    from {{ relation }}
    {%- endfor %}
{%- endmacro %}

{#- Lock table with the id of the running build, in the schema of the staging models. -#}
{% macro build_lock() -%}
    {%- set build = graph.nodes['model.voice_ai_analytics.int_voice_ai__build'] -%}
    {{ return(api.Relation.create(
        database=build.database, schema=build.schema, identifier='voice_ai_build_lock', type='table'
    )) }}
{%- endmacro %}

{#- The table that holds the id of the build at work, beside the staging models. -#}
{% macro build_lock() -%}
    {%- set build = graph.nodes['model.voice_ai_analytics.int_voice_ai__build'] -%}
    {{ return(api.Relation.create(
        database=build.database, schema=build.schema, identifier='voice_ai_build_lock', type='table'
    )) }}
{%- endmacro %}

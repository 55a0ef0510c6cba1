{#- Relation of a model as an earlier build left it, or none if it doesn't exist yet. Models use it to read what is
    already certified: that can't be a ref, because the certified model depends on them. -#}
{% macro as_built(model_name) -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set node = graph.nodes['model.voice_ai_analytics.' ~ model_name] -%}
    {{ return(load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    ))) }}
{%- endmacro %}

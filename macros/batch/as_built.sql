{#- A model's relation as an earlier build left it; none where it isn't there yet. This is how models read what is already
    certified. It can't be a ref, because the certified model depends on them. -#}
{% macro as_built(model_name) -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set node = graph.nodes['model.voice_ai_analytics.' ~ model_name] -%}
    {{ return(load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    ))) }}
{%- endmacro %}

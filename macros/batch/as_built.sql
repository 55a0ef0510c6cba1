{#- Table of a model as an earlier build left it, or none if it doesn't exist yet. Models use it to read what is already
    certified: that can't be a ref, because the certified model depends on them. A view was left by `dbt clone`: its rows
    belong to another target, and writing to it would change them there. -#}
{% macro as_built(model_name) -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set node = graph.nodes['model.voice_ai_analytics.' ~ model_name] -%}
    {%- set relation = load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    )) -%}
    {{ return(relation if relation and relation.is_table else none) }}
{%- endmacro %}

{#- Selects the given columns of a relation once per item of its JSON array `array`, with the `item`, as JSON, and its
    `item_number` from 1. What isn't an array has no items. -#}
{% macro json_items(relation, array, columns) -%}
    {{ return(adapter.dispatch('voice_ai_json_items', 'voice_ai_analytics')(relation, array, columns)) }}
{%- endmacro %}

{% macro duckdb__voice_ai_json_items(relation, array, columns) -%}
    -- Not lateral: DuckDB would first look for distinct arrays.
    select
        {{ columns | join(', ') }},
        unnest(items) as item,
        generate_subscripts(items, 1) as item_number
    from (
        select
            {{ columns | join(', ') }},
            case when json_type({{ array }}) = 'ARRAY' then from_json({{ array }}, '["json"]') else [] end as items
        from {{ relation }}
    ) as listed
{%- endmacro %}

{% macro postgres__voice_ai_json_items(relation, array, columns) -%}
    select
        {{ columns | join(', ') }},
        items.item,
        items.item_number
    from {{ relation }}
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ array }}) = 'array' then {{ array }} else '[]' end
    ) with ordinality as items (item, item_number)
{%- endmacro %}

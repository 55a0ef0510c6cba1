{#- Selects expressions over columns of a relation, for expensive ones that many others refer to. Each is evaluated once
    per row: PostgreSQL would otherwise inline it, and evaluate it, everywhere its name occurs. Filters on columns in
    `outside` can still use an index. -#}
{% macro read_once(relation, columns, expressions, outside) -%}
    {{ return(adapter.dispatch('voice_ai_read_once', 'voice_ai_analytics')(relation, columns, expressions, outside)) }}
{%- endmacro %}

{% macro default__voice_ai_read_once(relation, columns, expressions, outside) -%}
select {{ (expressions + outside) | join(', ') }} from {{ relation }}
{%- endmacro %}

{% macro postgres__voice_ai_read_once(relation, columns, expressions, outside) -%}
{#- PostgreSQL never inlines a subquery with an `offset`. -#}
select {{ (['evaluated.*'] + outside) | join(', ') }}
from (
    select
        given.*
        {%- if outside %},
        source.loaded_at
        {%- endif %}
    from {{ relation }} as source
    cross join lateral (
        select source.{{ (columns | reject('equalto', 'loaded_at') | list if outside else columns) | join(', source.') }} offset 0
    ) as given
) as given
cross join lateral (select {{ expressions | join(', ') }} offset 0) as evaluated
{%- endmacro %}

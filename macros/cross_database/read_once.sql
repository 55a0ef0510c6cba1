{#- A select of expressions over columns of a relation, for where both may be dear and are referred to by many others:
    PostgreSQL would put each into every place that names it, and evaluate it as often. What is read outside can still
    use an index. -#}
{% macro read_once(relation, columns, expressions, outside) -%}
    {{ return(adapter.dispatch('voice_ai_read_once', 'voice_ai_analytics')(relation, columns, expressions, outside)) }}
{%- endmacro %}

{% macro default__voice_ai_read_once(relation, columns, expressions, outside) -%}
select {{ (expressions + outside) | join(', ') }} from {{ relation }}
{%- endmacro %}

{% macro postgres__voice_ai_read_once(relation, columns, expressions, outside) -%}
{#- An `offset` is what PostgreSQL does not look through. -#}
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

{% test relationships_where(
    model, column_name, to, field, from_condition="1=1", to_condition="1=1"
) %}
    {{ return(adapter.dispatch('test_relationships_where', 'dbt_utils')(
        model, column_name, to, field, from_condition, to_condition
    )) }}
{% endtest %}

{% macro default__test_relationships_where(
    model, column_name, to, field, from_condition, to_condition
) %}

{# No parentheses around from_condition, as in the real test, so that "a or b" means the same. #}
with children as (
    select {{ column_name }} as id
    from {{ model }}
    where {{ column_name }} is not null and {{ from_condition }}
),

parents as (
    select {{ field }} as id
    from {{ to }}
    where {{ to_condition }}
)

select id
from children
where not exists (select 1 from parents where parents.id = children.id)

{% endmacro %}

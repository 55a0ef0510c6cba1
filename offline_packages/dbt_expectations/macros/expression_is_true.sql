{% test expression_is_true(model, expression, row_condition=none) %}
    {{ dbt_expectations.expression_is_true(model, expression, row_condition) }}
{% endtest %}

{% macro expression_is_true(model, expression, row_condition=none) %}
    {{ return(adapter.dispatch('expression_is_true', 'dbt_expectations')(
        model, expression, row_condition=row_condition
    )) }}
{% endmacro %}

{% macro default__expression_is_true(model, expression, row_condition) %}

{# Select the expression rather than filter on it, so that it can be an aggregate. #}
with evaluated as (
    select {{ expression }} as expression
    from {{ model }}
    {% if row_condition %}
    where {{ row_condition }}
    {% endif %}
)

select *
from evaluated
where not (expression = true)

{% endmacro %}

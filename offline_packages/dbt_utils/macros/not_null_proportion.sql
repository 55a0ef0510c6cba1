{% test not_null_proportion(model, column_name, at_least, at_most=1) %}
    {{ return(adapter.dispatch('test_not_null_proportion', 'dbt_utils')(
        model, column_name=column_name, at_least=at_least, at_most=at_most
    )) }}
{% endtest %}

{% macro default__test_not_null_proportion(model, column_name, at_least, at_most) %}

with proportion as (
    select
        count({{ column_name }}) / nullif(cast(count(*) as {{ dbt.type_numeric() }}), 0)
            as not_null_proportion
    from {{ model }}
)

select *
from proportion
where not_null_proportion < {{ at_least }} or not_null_proportion > {{ at_most }}

{% endmacro %}

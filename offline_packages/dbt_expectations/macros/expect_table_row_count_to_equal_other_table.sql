{% test expect_table_row_count_to_equal_other_table(
    model, compare_model, factor=1, row_condition=none, compare_row_condition=none
) %}
    {{ return(adapter.dispatch(
        'test_expect_table_row_count_to_equal_other_table', 'dbt_expectations'
    )(
        model,
        compare_model,
        factor=factor,
        row_condition=row_condition,
        compare_row_condition=compare_row_condition
    )) }}
{% endtest %}

{% macro default__test_expect_table_row_count_to_equal_other_table(
    model, compare_model, factor, row_condition, compare_row_condition
) %}

{# A row_condition applies to both tables, unless the other table has its own. #}
{% set compare_row_condition = compare_row_condition or row_condition %}

with counts as (
    select
        (
            select count(*) from {{ model }}
            {% if row_condition %} where {{ row_condition }} {% endif %}
        ) as row_count,
        (
            select count(*) * {{ factor }} from {{ compare_model }}
            {% if compare_row_condition %} where {{ compare_row_condition }} {% endif %}
        ) as compare_row_count
)

select *
from counts
where row_count <> compare_row_count

{% endmacro %}

{% test equal_rowcount(model, compare_model) %}
    {{ return(adapter.dispatch('test_equal_rowcount', 'dbt_utils')(model, compare_model)) }}
{% endtest %}

{% macro default__test_equal_rowcount(model, compare_model) %}

{{ config(fail_calc='sum(coalesce(row_difference, 0))') }}

{# As in the real package, an empty table equals any other, and two empty ones are an error. #}
with model_count as (
    select 1 as join_key, count(*) as row_count from {{ model }} having count(*) > 0
),

compare_model_count as (
    select 1 as join_key, count(*) as row_count from {{ compare_model }} having count(*) > 0
)

select abs(model_count.row_count - compare_model_count.row_count) as row_difference
from model_count
full join compare_model_count on model_count.join_key = compare_model_count.join_key

{% endmacro %}

{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
    {{ return(adapter.dispatch('test_unique_combination_of_columns', 'dbt_utils')(
        model, combination_of_columns, quote_columns
    )) }}
{% endtest %}

{% macro default__test_unique_combination_of_columns(
    model, combination_of_columns, quote_columns
) %}

{% set columns %}
    {%- for column in combination_of_columns -%}
        {{ adapter.quote(column) if quote_columns else column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{% endset %}

select {{ columns }}
from {{ model }}
group by {{ columns }}
having count(*) > 1

{% endmacro %}

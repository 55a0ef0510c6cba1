{% test equality(model, compare_model, compare_columns=none, exclude_columns=none) %}
    {{ return(adapter.dispatch('test_equality', 'dbt_utils')(
        model, compare_model, compare_columns, exclude_columns
    )) }}
{% endtest %}

{% macro default__test_equality(model, compare_model, compare_columns, exclude_columns) %}

{% if compare_columns and exclude_columns %}
    {{ exceptions.raise_compiler_error(
        'dbt_utils.equality takes compare_columns or exclude_columns, not both.'
    ) }}
{% endif %}

{# dbt only picks up a config that is set during parsing. #}
{{ config(
    fail_calc="count(*) + coalesce(abs(sum(case when only_in = 'model' then 1 else -1 end)), 0)"
) }}
{% if not execute %}
    {{ return('') }}
{% endif %}

{% if model is not mapping %}
    {{ exceptions.raise_compiler_error(
        'dbt_utils.equality compares whole relations: it cannot be combined with a where config.'
    ) }}
{% endif %}

{% set columns = compare_columns or dbt_utils._quoted_columns(model, exclude_columns) %}
{% if not compare_columns %}
    {% set other_columns = dbt_utils._quoted_columns(compare_model, exclude_columns) %}
    {% if columns | map('lower') | sort != other_columns | map('lower') | sort %}
        {{ exceptions.raise_compiler_error(
            model ~ ' and ' ~ compare_model ~ ' have different columns: name those to compare in '
            ~ 'compare_columns, or those to leave out in exclude_columns.'
        ) }}
    {% endif %}
{% endif %}
{% set columns = columns | join(', ') %}

with only_in_model as (
    select {{ columns }} from {{ model }}
    {{ dbt.except() }}
    select {{ columns }} from {{ compare_model }}
),

only_in_compare_model as (
    select {{ columns }} from {{ compare_model }}
    {{ dbt.except() }}
    select {{ columns }} from {{ model }}
)

select 'model' as only_in, only_in_model.* from only_in_model
union all
select 'compare_model' as only_in, only_in_compare_model.* from only_in_compare_model

{% endmacro %}

{% macro _quoted_columns(relation, exclude_columns) %}

{% set excluded = (exclude_columns or []) | map('lower') | list %}
{% set columns = [] %}
{% for column in adapter.get_columns_in_relation(relation) if column.name | lower not in excluded %}
    {% do columns.append(column.quoted) %}
{% endfor %}
{{ return(columns) }}

{% endmacro %}

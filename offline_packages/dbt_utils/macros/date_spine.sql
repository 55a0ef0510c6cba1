{% macro date_spine(datepart, start_date, end_date) %}
    {{ return(adapter.dispatch('date_spine', 'dbt_utils')(datepart, start_date, end_date)) }}
{% endmacro %}

{% macro default__date_spine(datepart, start_date, end_date) %}

{# On some engines dbt's own spine would be empty; the real package always fails. #}
{% if dbt.get_intervals_between(start_date, end_date, datepart) < 1 %}
    {{ exceptions.raise_compiler_error(
        'dbt_utils.date_spine needs an end_date after its start_date.'
    ) }}
{% endif %}

{{ dbt.date_spine(datepart, start_date, end_date) }}

{% endmacro %}

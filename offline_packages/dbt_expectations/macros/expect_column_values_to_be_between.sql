{% test expect_column_values_to_be_between(
    model, column_name, min_value=none, max_value=none, row_condition=none, strictly=false
) %}

{% if min_value is none and max_value is none %}
    {{ exceptions.raise_compiler_error(
        'expect_column_values_to_be_between needs a min_value, a max_value or both.'
    ) }}
{% endif %}

{% set or_equal = '' if strictly else '=' %}
{% set bounds = [] %}
{% if min_value is not none %}
    {% do bounds.append(column_name ~ ' >' ~ or_equal ~ ' ' ~ min_value) %}
{% endif %}
{% if max_value is not none %}
    {% do bounds.append(column_name ~ ' <' ~ or_equal ~ ' ' ~ max_value) %}
{% endif %}

{{ dbt_expectations.expression_is_true(model, '(' ~ bounds | join(' and ') ~ ')', row_condition) }}

{% endtest %}

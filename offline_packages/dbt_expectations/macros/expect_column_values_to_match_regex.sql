{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=none, is_raw=false, flags=''
) %}

{% set position = dbt_expectations.regexp_instr(column_name, regex, is_raw=is_raw, flags=flags) %}
{{ dbt_expectations.expression_is_true(model, position ~ ' > 0', row_condition) }}

{% endtest %}

{% test expect_column_to_exist(model, column_name) %}

{% if execute %}
{% set columns = adapter.get_columns_in_relation(model) %}
{% set existing = columns | map(attribute='name') | map('upper') | list %}
select '{{ column_name }}' as missing_column
where {{ 'false' if column_name | upper in existing else 'true' }}
{% endif %}

{% endtest %}

{% test expect_column_values_to_be_in_set(
    model, column_name, value_set, quote_values=true, row_condition=none
) %}

{% set values = [] %}
{% for value in value_set %}
    {% do values.append(
        "cast('" ~ value ~ "' as " ~ dbt.type_string() ~ ")" if quote_values else value
    ) %}
{% endfor %}

{# Unlike in the other tests here, a null fails: it's in no set. #}
with all_values as (
    select {{ column_name }} as value_field
    from {{ model }}
    {% if row_condition %}
    where {{ row_condition }}
    {% endif %}
)

select *
from all_values
where not coalesce(value_field in ({{ values | join(', ') }}), false)

{% endtest %}

{% test expect_column_values_to_be_in_set(
    model, column_name, value_set, quote_values=true, row_condition=none
) %}

{% set values = [] %}
{% for value in value_set %}
    {% do values.append(
        "cast('" ~ value ~ "' as " ~ dbt.type_string() ~ ")" if quote_values else value
    ) %}
{% endfor %}

{# A null is in no set, unlike in the other tests here: it counts as a failure. #}
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

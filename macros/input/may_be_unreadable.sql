{#- Whether an input column of this type can hold values that don't convert to the type of the contract. -#}
{% macro may_be_unreadable(contract_type, input_type) -%}
    {{ return(
        contract_type != 'text'
        and input_type is not none
        and not (contract_type == 'boolean' and input_type == 'boolean')
        and not (contract_type == 'integer' and voice_ai_analytics.is_small_integer_type(input_type))
    ) }}
{%- endmacro %}

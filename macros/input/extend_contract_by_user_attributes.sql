{#- Pre-hook that adds the consumer's user attributes to the enforced contract of the current model, because YAML can't
    list columns that only a var names. It runs before dbt compares the query with the contract. -#}
{% macro extend_contract_by_user_attributes(model) -%}
    {%- for attribute in voice_ai_analytics.user_attributes() -%}
        {%- if attribute in model.columns and not model.columns[attribute].get('is_user_attribute') -%}
            {%- do exceptions.raise_compiler_error(
                "voice_ai_user_attributes: '" ~ attribute ~ "' is already a column of " ~ model.name
            ) -%}
        {%- endif -%}
        {%- do model['columns'].update({attribute: {
            'name': attribute, 'data_type': 'text', 'constraints': [], 'is_user_attribute': true
        }}) -%}
    {%- endfor -%}
{%- endmacro %}

{#- Adds the consumer's user columns to the enforced contract of the model that is being built:
    YAML cannot list columns that only a var names. Called as a pre-hook, before dbt compares the two. -#}
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

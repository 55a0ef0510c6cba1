{#- The consumer's own user columns, from the var voice_ai_user_attributes, checked to be plain new names. -#}
{% macro user_attributes() -%}
    {%- set taken = ['user_id', 'user_key', 'region', 'has_disability', 'is_first_time_digital_user'] -%}
    {%- set attributes = var('voice_ai_user_attributes', []) -%}
    {%- for attribute in attributes -%}
        {%- if not modules.re.match('^[a-z_][a-z0-9_]{0,62}$', attribute) or attribute in taken -%}
            {%- do exceptions.raise_compiler_error(
                "voice_ai_user_attributes: '" ~ attribute ~ "' must be a new lower-case column name"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(attributes) }}
{%- endmacro %}


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

{#- The consumer's own user columns, named in the var voice_ai_user_attributes. Stops the build if a name is invalid or
    already taken. -#}
{% macro user_attributes() -%}
    {%- set taken = ['user_id', 'user_key', 'region', 'has_disability', 'is_first_time_digital_user'] -%}
    {%- set attributes = var('voice_ai_user_attributes', []) -%}
    {%- if attributes is string or attributes is mapping or attributes is not iterable -%}
        {%- do exceptions.raise_compiler_error(
            'var voice_ai_user_attributes takes a list of column names, such as [plan], not ' ~ tojson(attributes)
        ) -%}
    {%- endif -%}
    {%- for attribute in attributes -%}
        {%- if not modules.re.match('^[a-z_][a-z0-9_]{0,62}$', attribute | string) or attribute in taken -%}
            {%- do exceptions.raise_compiler_error(
                "voice_ai_user_attributes: '" ~ attribute ~ "' must be a new lower-case column name"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(attributes) }}
{%- endmacro %}

{#- Names of the vars that --vars and the root project's dbt_project.yml set for all packages or for this one. dbt 1 has them
    beside ref, though it doesn't document that; where it doesn't, only those of --vars are returned. -#}
{% macro given_vars() -%}
    {%- set given = invocation_args_dict.get('vars', {}).keys() | list -%}
    {%- if builtins.ref.config is defined -%}
        {%- for name, value in builtins.ref.config.vars.to_dict().items() -%}
            {%- do given.extend(value.keys() if name == 'voice_ai_analytics' else [name]) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(given) }}
{%- endmacro %}

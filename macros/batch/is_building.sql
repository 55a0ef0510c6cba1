{#- Whether this command writes rows. `dbt clone` doesn't, but it runs hooks, too. -#}
{% macro is_building() -%}
    {{ return(execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'retry')) }}
{%- endmacro %}

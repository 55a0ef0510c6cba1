{#- dbt's own ref. With --empty, dbt gives every ref of PostgreSQL an alias, which would collide with ours. -#}
{% macro ref() -%}
    {%- set relation = builtins.ref(*varargs, **kwargs) -%}
    {{ return(relation.incorporate(require_alias=false) if flags.EMPTY else relation) }}
{%- endmacro %}

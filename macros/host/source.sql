{#- dbt's own source, without an alias of dbt's; see ref. -#}
{% macro source() -%}
    {%- set relation = builtins.source(*varargs, **kwargs) -%}
    {{ return(relation.incorporate(require_alias=false) if flags.EMPTY else relation) }}
{%- endmacro %}

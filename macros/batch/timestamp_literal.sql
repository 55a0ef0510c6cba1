{#- Value read from the warehouse as a timestamp literal. none stays none. -#}
{% macro timestamp_literal(value) -%}
    {%- if value is none -%} {{ return(none) }} {%- endif -%}
    {{ return("cast('" ~ value ~ "' as timestamp)") }}
{%- endmacro %}

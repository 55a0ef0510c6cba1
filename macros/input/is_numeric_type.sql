{% macro is_numeric_type(type) -%}
    {{ return(modules.re.match('^(tiny|small|big|huge|u)*int|^integer|^numeric|^decimal|^double|^real|^float', type) is not none) }}
{%- endmacro %}

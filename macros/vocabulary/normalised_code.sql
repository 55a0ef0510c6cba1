{#- Label in the form that lookups use: lower case, with words joined by underscores. -#}
{% macro normalised_code(text) -%}
    replace(replace(lower({{ text }}), ' ', '_'), '-', '_')
{%- endmacro %}

{#- A platform's label in the form that look-ups use: lower case, words joined by underscores. -#}
{% macro normalised_code(text) -%}
    replace(replace(lower({{ text }}), ' ', '_'), '-', '_')
{%- endmacro %}

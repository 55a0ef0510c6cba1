{#- True for a timestamp that can only be an error: outside the years 1900 to 2199, infinity included. -#}
{% macro is_out_of_time(instant) -%}
    {{ instant }} < '1900-01-01' or {{ instant }} >= '2200-01-01'
{%- endmacro %}

{#- True for an instant, infinity included, outside the years 1900 to 2199 in which anything is believed to have happened. -#}
{% macro is_out_of_time(instant) -%}
    {{ instant }} < '1900-01-01' or {{ instant }} >= '2200-01-01'
{%- endmacro %}

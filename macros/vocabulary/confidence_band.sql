{#- A confidence in [0, 1] as one of ten bands, '0.0 to 0.1' to '0.9 to 1.0'; the upper edge belongs to the next. -#}
{% macro confidence_band(confidence) -%}
    case
        {%- for tenth in range(1, 10) %}
        when {{ confidence }} < 0.{{ tenth }} then '0.{{ tenth - 1 }} to 0.{{ tenth }}'
        {%- endfor %}
        when {{ confidence }} is not null then '0.9 to 1.0'
    end
{%- endmacro %}

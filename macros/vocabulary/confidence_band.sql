{#- A confidence in [0, 1] as one of ten bands, '0.0 to 0.1' to '0.9 to 1.0'; the upper edge belongs to the next.
    Rounded first: the last digit of a mean depends on the order of its sum, and must not decide the band. -#}
{% macro confidence_band(confidence) -%}
    {%- set rounded = 'cast(' ~ confidence ~ ' as numeric(18, 9))' -%}
    case
        {%- for tenth in range(1, 10) %}
        when {{ rounded }} < 0.{{ tenth }} then '0.{{ tenth - 1 }} to 0.{{ tenth }}'
        {%- endfor %}
        when {{ rounded }} is not null then '0.9 to 1.0'
    end
{%- endmacro %}

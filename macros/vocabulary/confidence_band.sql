{#- Confidence in [0, 1] as one of ten bands, from '0.0 to 0.1' to '0.9 to 1.0'. A value on an edge belongs to the upper
    band. Rounds first: the last digit of a mean depends on the order of its sum, and shouldn't decide the band. -#}
{% macro confidence_band(confidence) -%}
    {%- set rounded = 'cast(' ~ confidence ~ ' as numeric(18, 9))' -%}
    case
        {%- for tenth in range(1, 10) %}
        when {{ rounded }} < 0.{{ tenth }} then '0.{{ tenth - 1 }} to 0.{{ tenth }}'
        {%- endfor %}
        when {{ rounded }} is not null then '0.9 to 1.0'
    end
{%- endmacro %}

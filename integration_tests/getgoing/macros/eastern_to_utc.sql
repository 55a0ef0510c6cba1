{#- A US Eastern wall-clock time as a UTC timestamp. Both engines read the hour that autumn repeats as its second
    pass; it is the first where that is not before `not_before`, which may be null. -#}
{% macro eastern_to_utc(wall_clock, not_before) -%}
    {%- set latest = "timezone('UTC', timezone('America/New_York', " ~ wall_clock ~ "))" -%}
    {%- set earlier = latest ~ " - interval '1 hour'" -%}
    case
        when
            timezone('America/New_York', timezone('UTC', {{ earlier }})) = {{ wall_clock }}
            and {{ earlier }} >= {{ not_before }}
            then {{ earlier }}
        else {{ latest }}
    end
{%- endmacro %}

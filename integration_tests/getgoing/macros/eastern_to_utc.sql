{#- Converts a US Eastern wall-clock time to a UTC timestamp. In the hour that repeats in autumn, both engines assume
    the second pass. This assumes the first, unless that is earlier than `not_before` or `not_before` is null. -#}
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

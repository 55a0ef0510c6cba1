{#- Number of seconds, milliseconds or microseconds since 1970 as a UTC timestamp. The size of the number tells the unit:
    the three ranges stand for the same years, 1973 to 2199. Null for any other number, such as a date without dashes. -#}
{% macro epoch_as_timestamp(number) -%}
    {%- set per_second = {'1': 1, '1e3': 1000, '1e6': 1000000} -%}
    case
        {%- for divisor, factor in per_second.items() %}
        when {{ number }} between {{ 100000000 * factor }} and {{ 7258118399 * factor }}
            then {{ voice_ai_analytics.add_seconds("timestamp '1970-01-01'", number ~ ' / ' ~ divisor) }}
        {%- endfor %}
    end
{%- endmacro %}

{#- Seconds since a recording began, from a text such as 90.5, 01:30.5 or 00:01:30,5. Null for any other text, including a
    number of nine digits or more, which is an instant. -#}
{% macro offset_seconds(text) -%}
    {%- set number = "replace(" ~ text ~ ", ',', '.')" -%}
    {%- set part = "cast(split_part(" ~ number ~ ", ':', {}) as double precision)" -%}
    case
        when {{ voice_ai_analytics.matches(text, '^[0-9]{1,8}([.,][0-9]{1,9})?$') }} then cast({{ number }} as double precision)
        when {{ voice_ai_analytics.matches(text, '^[0-9]{1,2}:[0-5][0-9]([.,][0-9]{1,9})?$') }}
            then {{ part.format(1) }} * 60 + {{ part.format(2) }}
        when {{ voice_ai_analytics.matches(text, '^[0-9]{1,4}:[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,9})?$') }}
            then {{ part.format(1) }} * 3600 + {{ part.format(2) }} * 60 + {{ part.format(3) }}
    end
{%- endmacro %}

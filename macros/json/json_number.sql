{#- The number at a path of a JSON value, or the number in a string there, as a double. Null if there is none. -#}
{% macro json_number(json, path) -%}
    {%- set text = voice_ai_analytics.json_text(json, path) -%}
    case
        when {{ voice_ai_analytics.matches(text, '^-?[0-9]{1,30}([.][0-9]{1,30})?([eE][-+]?[0-9]{1,2})?$') }}
            then cast({{ text }} as double precision)
    end
{%- endmacro %}

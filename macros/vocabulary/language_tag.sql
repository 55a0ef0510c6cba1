{#- A language tag in the letter case BCP 47 recommends: en-US, zh-Hant-TW. Knows up to three subtags. -#}
{% macro language_tag(text) -%}
    {%- set tag = "replace(" ~ text ~ ", '_', '-')" -%}
    lower(split_part({{ tag }}, '-', 1))
    {%- for position in (2, 3) -%}
    {%- set subtag = "split_part(" ~ tag ~ ", '-', " ~ position ~ ")" %}
    || case length({{ subtag }})
        when 0 then ''
        when 2 then '-' || upper({{ subtag }})
        when 4 then '-' || upper(substr({{ subtag }}, 1, 1)) || lower(substr({{ subtag }}, 2))
        else '-' || lower({{ subtag }})
    end
    {%- endfor -%}
{%- endmacro %}

{#- Language tag of up to three subtags, in the letter case that BCP 47 recommends: en-US, zh-Hant-TW. Letters other
    than A to Z, which no valid tag has, stay as they are, because engines disagree on their case. -#}
{% macro language_tag(text) -%}
    {%- set capitals, small = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz' -%}
    {%- set tag = "translate(" ~ text ~ ", '_" ~ capitals ~ "', '-" ~ small ~ "')" -%}
    split_part({{ tag }}, '-', 1)
    {%- for position in (2, 3) -%}
    {%- set subtag = "split_part(" ~ tag ~ ", '-', " ~ position ~ ")" %}
    || case length({{ subtag }})
        when 0 then ''
        when 2 then '-' || translate({{ subtag }}, '{{ small }}', '{{ capitals }}')
        when 4 then '-' || translate(substr({{ subtag }}, 1, 1), '{{ small }}', '{{ capitals }}') || substr({{ subtag }}, 2)
        else '-' || {{ subtag }}
    end
    {%- endfor -%}
{%- endmacro %}

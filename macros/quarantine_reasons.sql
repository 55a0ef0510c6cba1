{#- Text naming every rule a row breaks, comma separated; null for a row that breaks none.
    `rules` maps a reason to the condition that is true for an offending row; values that could not be read,
    which typed_input found, come first. -#}
{% macro quarantine_reasons(rules) -%}
    {#- The text is made for broken rows only: most rows are good, and a test of conditions is cheaper than a text. -#}
    case
        when
            unreadable_reasons is not null
            {%- for condition in rules.values() %}
            or ({{ condition }})
            {%- endfor %}
            then concat_ws(
                ', ',
                unreadable_reasons
                {%- for reason, condition in rules.items() %},
                case when {{ condition }} then '{{ reason }}' end
                {%- endfor %}
            )
    end
{%- endmacro %}

{#- Names of all rules that a row breaks, separated by commas. Null for a valid row. `rules` maps each reason to the
    condition that is true for a row that breaks the rule. Values that typed_input couldn't convert come first. -#}
{% macro quarantine_reasons(rules) -%}
    {#- Most rows are valid, and testing the conditions is cheaper than building the text. -#}
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

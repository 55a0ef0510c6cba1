{#- The three names that share the most pairs of letters with a mistyped one. -#}
{% macro nearest_names(typed, names) -%}
    {%- set pairs, scores = [], [] -%}
    {%- for at in range(typed | length - 1) -%} {%- do pairs.append(typed[at:at + 2] | lower) -%} {%- endfor -%}
    {%- for name in names -%}
        {%- set shared = [] -%}
        {%- for pair in pairs if pair in name -%} {%- do shared.append(pair) -%} {%- endfor -%}
        {%- do scores.append((-2 * shared | length / (pairs | length + name | length), name)) -%}
    {%- endfor -%}
    {{ return((scores | sort | map('last') | list)[:3]) }}
{%- endmacro %}

{#- Columns of the fact that count error turns, as a list. Null on platforms that don't report errors. -#}
{% macro error_counts() -%}
    {%- set counts = ['error_turn_count'] -%}
    {%- for error_type in ['misunderstanding', 'no_input', 'noise', 'no_match', 'repeat', 'other'] -%}
        {%- do counts.append(error_type ~ '_turn_count') -%}
    {%- endfor -%}
    {{ return(counts) }}
{%- endmacro %}

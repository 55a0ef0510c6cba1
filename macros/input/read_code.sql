{#- Input column as a label in the form that vocabularies use: lower case, with underscores. Null if blank or missing. -#}
{% macro read_code(columns, name) -%}
    {{ voice_ai_analytics.normalised_code(voice_ai_analytics.read_text(columns, name)) }}
{%- endmacro %}

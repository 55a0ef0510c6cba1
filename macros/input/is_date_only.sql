{#- True if the input reports a date without a time of day. -#}
{% macro is_date_only(columns, name) -%}
    {%- set type = columns.get(name) -%}
    {%- if type is none or type.startswith('timestamp') -%} false
    {%- elif type == 'date' -%} {{ name }} is not null
    {%- else -%} coalesce(length({{ voice_ai_analytics.read_text(columns, name) }}) = 10, false)
    {%- endif -%}
{%- endmacro %}

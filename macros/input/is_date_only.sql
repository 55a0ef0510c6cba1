{#- True if the input reports a date without a time of day. -#}
{% macro is_date_only(columns, name) -%}
    {%- set type = columns.get(name) -%}
    {%- if type is none or type.startswith('timestamp') or voice_ai_analytics.is_numeric_type(type) -%} false
    {%- elif type == 'date' -%} {{ name }} is not null
    {%- else -%} coalesce({{ voice_ai_analytics.read_text(columns, name) }} like '____-__-__', false)
    {%- endif -%}
{%- endmacro %}

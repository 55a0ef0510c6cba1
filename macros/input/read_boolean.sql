{#- Input column as a boolean, from true/false, yes/no, t/f, y/n or 1/0. Null for anything else. -#}
{% macro read_boolean(columns, name) -%}
    {%- set type = columns.get(name) -%}
    {%- if type is none -%} cast(null as boolean)
    {%- elif type == 'boolean' -%} {{ name }}
    {%- else -%}
    case
        when lower({{ voice_ai_analytics.read_text(columns, name) }}) in ('true', 'yes', 't', 'y', '1') then true
        when lower({{ voice_ai_analytics.read_text(columns, name) }}) in ('false', 'no', 'f', 'n', '0') then false
    end
    {%- endif -%}
{%- endmacro %}

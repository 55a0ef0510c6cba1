{#- Platforms that have a folder under models/platforms. -#}
{% macro known_platforms() -%}
    {{ return(['retell', 'vapi']) }}
{%- endmacro %}

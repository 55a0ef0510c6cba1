{#- Platforms that have a folder under models/platforms, as a dictionary to the optional inputs that they have. -#}
{% macro known_platforms() -%}
    {{ return({
        'retell': ['tool_calls', 'evaluations'],
        'transcripts': [],
        'vapi': ['tool_calls', 'evaluations']
    }) }}
{%- endmacro %}

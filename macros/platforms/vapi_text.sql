{#- The value at a path of a Vapi report, as text: a webhook's report repeats some parts of the call that it holds. -#}
{% macro vapi_text(path) -%}
    coalesce({{ voice_ai_analytics.json_text('report', path) }}, {{ voice_ai_analytics.json_text('report', ['call'] + path) }})
{%- endmacro %}

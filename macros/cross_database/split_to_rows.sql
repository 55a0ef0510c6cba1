{#- One row for each part of a separated text. -#}
{% macro split_to_rows(text, separator) -%}
    {{ return(adapter.dispatch('split_to_rows', 'voice_ai_analytics')(text, separator)) }}
{%- endmacro %}

{% macro default__split_to_rows(text, separator) -%}
    unnest(string_to_array({{ text }}, '{{ separator }}'))
{%- endmacro %}

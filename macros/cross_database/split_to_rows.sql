{#- One row per part of a delimited text. -#}
{% macro split_to_rows(text, separator) -%}
    {{ return(adapter.dispatch('voice_ai_split_to_rows', 'voice_ai_analytics')(text, separator)) }}
{%- endmacro %}

{% macro default__voice_ai_split_to_rows(text, separator) -%}
    unnest(string_to_array({{ text }}, '{{ separator }}'))
{%- endmacro %}

{#- Pre-hook of a quarantine model. Deletes the rows that this build replaces. -#}
{% macro remove_replaced_quarantine(table) -%}
    {{ voice_ai_analytics.remove_replaced_rows(
        voice_ai_analytics.is_replaced_in_quarantine(table, voice_ai_analytics.this_build())
    ) }}
{%- endmacro %}

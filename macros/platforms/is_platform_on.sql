{#- Whether the var voice_ai_platforms names a platform. -#}
{% macro is_platform_on(platform) -%}
    {{ return(platform in voice_ai_analytics.platform_tables()) }}
{%- endmacro %}

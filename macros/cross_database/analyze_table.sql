{#- Post-hook of tables that the same build goes on to join: on engines that plan by statistics and gather them later,
    gather them now. It reads a sample of fixed size. -#}
{% macro analyze_table() -%}
    {{ return(adapter.dispatch('voice_ai_analyze_table', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__voice_ai_analyze_table() -%} {%- endmacro %}

{% macro postgres__voice_ai_analyze_table() -%}
    {%- if model.config.materialized != 'view' -%} analyze {{ this }} {%- endif -%}
{%- endmacro %}

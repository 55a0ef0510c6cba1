{#- Post-hook of tables that the same build joins later. Gathers statistics for the query planner now, on engines that
    would otherwise gather them too late. Reads a sample of fixed size. -#}
{% macro analyze_table() -%}
    {{ return(adapter.dispatch('voice_ai_analyze_table', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__voice_ai_analyze_table() -%} {%- endmacro %}

{% macro postgres__voice_ai_analyze_table() -%}
    {%- if model.config.materialized != 'view' -%} analyze {{ this }} {%- endif -%}
{%- endmacro %}

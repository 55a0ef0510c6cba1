{#- Random text of at least 240 random bits, drawn by the database when the statement runs. -#}
{% macro random_token() -%}
    {{ return(adapter.dispatch('random_token', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__random_token() -%}
    cast(gen_random_uuid() as text) || cast(gen_random_uuid() as text)
{%- endmacro %}

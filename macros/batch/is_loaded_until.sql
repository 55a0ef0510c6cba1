{#- True for a row that was loaded when the build started, or whose loaded_at is missing or impossible. Rows that arrive
    during a build wait for the next one. -#}
{% macro is_loaded_until(until) -%}
    {%- if not until -%} true
    {%- else -%}
    (loaded_at <= {{ until }} or loaded_at is null or {{ voice_ai_analytics.is_out_of_time('loaded_at') }})
    {%- endif -%}
{%- endmacro %}

{#- Certified sessions as they were known at a given moment, as a subquery in parentheses. `moment` is the SQL of a UTC
    timestamp or a quoted ISO 8601 literal; a date alone means the end of that day. -#}
{% macro sessions_as_of(moment) -%}
    {%- set versions = ref('voice_ai_session_outcomes') -%}
    {%- set known_at = voice_ai_analytics.as_of_moment(moment) -%}
(
    select *
    from {{ versions }}
    where dbt_valid_from <= {{ known_at }} and (dbt_valid_to > {{ known_at }} or dbt_valid_to is null)
)
{%- endmacro %}

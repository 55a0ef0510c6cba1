{#- Typed rows of users that this build reads, as a subquery in parentheses: all rows, all rows of users who have new
    ones, or none. -#}
{% macro users_of_build(build) -%}
    {%- set typed_rows = ref('stg_voice_ai__users_typed') -%}
    {%- set users_to_read = voice_ai_analytics.users_to_read(build) -%}
(
    select *
    from {{ typed_rows }}
    {%- if users_to_read == 'new' %}
    where
        user_id in (
            select user_id from {{ typed_rows }} where {{ voice_ai_analytics.is_on_changed_day('users', build) }}
        )
        or (user_id is null and {{ voice_ai_analytics.is_on_changed_day('users', build) }})
    {%- elif users_to_read == 'none' %}
    where false
    {%- endif %}
)
{%- endmacro %}

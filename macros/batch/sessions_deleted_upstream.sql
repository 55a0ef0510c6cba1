{#- Certified sessions that no longer have a row in the source, as a subquery in parentheses. The fact keeps them as
    they were. -#}
{% macro sessions_deleted_upstream(build) -%}
(
    select *
    from {{ build.fact }} as fact
    where
        not exists (
            select 1
            from {{ voice_ai_analytics.rows_of_build('sessions', build) }} as given
            where given.platform = fact.platform and given.session_id = fact.session_id
        )
        {%- if not build.is_full %}
        and fact.session_key in (select session_key from {{ ref('int_voice_ai__sessions_to_rebuild') }})
        {%- endif %}
)
{%- endmacro %}

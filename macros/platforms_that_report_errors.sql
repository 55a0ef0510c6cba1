{#- Platforms of which at least one certified session has an error turn, once this build is done, as a subquery in
    parentheses. Without one, nobody knows whether a platform has no errors or doesn't report them. -#}
{% macro platforms_that_report_errors(build) -%}
{%- set rolled_up = ref('int_voice_ai__turns_rolled_up') -%}
{%- set versions = ref('int_voice_ai__turns_versions') -%}
(
    select platform
    from {{ rolled_up }} as rolled_up
    where
        error_turn_count > 0
        and session_id is not null
        and not exists (
            select 1 from {{ versions }} as versions
            where versions.platform = rolled_up.platform and versions.session_id = rolled_up.session_id
        )
    union
    select platform from {{ versions }} where version_number = 1 and error_type is not null
    {%- if build.fact %}
    union
    select platform from {{ voice_ai_analytics.sessions_deleted_upstream(build) }} as deleted_upstream
    where error_turn_count > 0
    {%- if not build.is_full %}
    union
    select platform from {{ build.fact }}
    where
        error_turn_count > 0
        and session_key not in (select session_key from {{ ref('int_voice_ai__sessions_to_rebuild') }})
    {%- endif %}
    {%- endif %}
)
{%- endmacro %}

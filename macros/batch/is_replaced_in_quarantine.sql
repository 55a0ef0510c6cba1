{#- True for a quarantined row that this batch replaces, because it reads the row's session, user or day again. -#}
{% macro is_replaced_in_quarantine(table, build) -%}
    {%- if table == 'users' -%}
        {%- set versions = ref('int_voice_ai__users_versions') -%}
        {%- if voice_ai_analytics.users_to_read(build) == 'all' -%} true
        {%- else -%}
    user_id in (select user_id from {{ versions }})
    or ({{ voice_ai_analytics.is_on_changed_day('users', build) }})
        {%- endif -%}
    {%- else -%}
        {%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
    ({{ voice_ai_analytics.is_on_changed_day(table, build) }})
    or (platform, session_id) in (select platform, session_id from {{ to_rebuild }})
    {%- endif -%}
{%- endmacro %}

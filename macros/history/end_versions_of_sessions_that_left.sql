{#- Post-hook of voice_ai_session_outcomes, in its transaction. Ends the current version of every session that is no
    longer in the fact, such as one that went to quarantine. -#}
{% macro end_versions_of_sessions_that_left() -%}
    {%- set fact = ref('fact_voice_ai_sessions') -%}
    {%- set to_rebuild = ref('int_voice_ai__sessions_to_rebuild') -%}
    {%- if not voice_ai_analytics.is_replacing_rows() -%} {{ return('') }} {%- endif -%}
    {%- set build = voice_ai_analytics.this_build() -%}
update {{ this }}
set dbt_valid_to = {{ voice_ai_analytics.to_utc('current_timestamp') }}
where
    dbt_valid_to is null
    and session_key in (
        select known.session_key
        from {{ this if build.is_full or not build.is_history_whole else to_rebuild }} as known
        left join {{ fact }} as fact on known.session_key = fact.session_key
        where fact.session_key is null
    )
{%- endmacro %}

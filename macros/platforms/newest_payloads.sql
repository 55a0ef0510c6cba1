{#- Selects the payload that counts of each session of a platform, with its session_id. -#}
{% macro newest_payloads(platform) -%}
    select
        payloads.payload,
        payloads.loaded_at,
        sessions.session_id,
        sessions.platform
    from ({{ voice_ai_analytics.platform_payloads(platform) }}) as payloads
    inner join {{ ref(platform ~ '__sessions') }} as sessions
        on
            payloads.content_hash = sessions.content_hash
            and payloads.loaded_at = sessions.loaded_at
            and payloads.source_file = sessions.source_file
            and payloads.position = sessions.position
    where sessions.payload_rank = 1 and sessions.session_id is not null
{%- endmacro %}

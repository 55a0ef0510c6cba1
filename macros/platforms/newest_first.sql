{#- Ranks the payloads of one session: 1 is the one whose state counts. `progress` are the platform's own signs of which
    is newer, in order; when it was loaded decides only where they don't, so the order of loading changes nothing. Null
    for a payload that isn't a session. -#}
{% macro newest_first(progress) -%}
    case
        when session_id is not null
            then row_number() over (
                partition by session_id
                order by {{ (progress + ['loaded_at', 'content_hash', 'source_file', 'position']) | join(' desc nulls last, ') }} desc nulls last
            )
    end
{%- endmacro %}

{#- Selects what was said and done in each call of Retell, in order, as the JSON array `utterances`. -#}
{% macro retell_utterances() -%}
    {%- set at, kind = voice_ai_analytics.json_at, voice_ai_analytics.json_kind -%}
    select
        session_id,
        loaded_at,
        call,
        -- Accounts that don't store personal data have only the scrubbed transcript.
        case
            {%- for name in ['transcript_with_tool_calls', 'scrubbed_transcript_with_tool_calls'] %}
            when {{ kind(at('call', [name])) }} = 'array' then {{ at('call', [name]) }}
            {%- endfor %}
            else {{ at('call', ['transcript_object']) }}
        end as utterances
    from (
        select
            session_id,
            loaded_at,
            case when {{ kind(at('payload', ['call'])) }} = 'object' then {{ at('payload', ['call']) }} else payload end as call
        from ({{ voice_ai_analytics.newest_payloads('retell') }}) as payloads
    ) as calls
{%- endmacro %}

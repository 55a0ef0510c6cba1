{#- Selects the `messages` of each call of Vapi, in order, and the `latencies` of its answers, as JSON arrays. -#}
{% macro vapi_conversations() -%}
    {%- set text, at = voice_ai_analytics.json_text, voice_ai_analytics.json_at -%}
    select
        session_id,
        loaded_at,
        coalesce({{ at('report', ['artifact', 'messages']) }}, {{ at('report', ['messages']) }}) as messages,
        {{ at('report', ['artifact', 'performanceMetrics', 'turnLatencies']) }} as latencies
    from (
        select
            session_id,
            loaded_at,
            case
                when {{ text('payload', ['message', 'type']) }} = 'end-of-call-report' then {{ at('payload', ['message']) }}
                else payload
            end as report
        from ({{ voice_ai_analytics.newest_payloads('vapi') }}) as payloads
    ) as reports
{%- endmacro %}

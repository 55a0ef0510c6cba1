{#- Range of a backfill (dbt's own --event-time-start and --event-time-end) as two timestamp literals, or none if the
    build isn't a backfill. -#}
{% macro backfill_range() -%}
    {%- set start = invocation_args_dict.get('event_time_start') -%}
    {%- if not start -%} {{ return(none) }} {%- endif -%}
    {{ return([
        voice_ai_analytics.timestamp_literal(start),
        voice_ai_analytics.timestamp_literal(invocation_args_dict.get('event_time_end'))
    ]) }}
{%- endmacro %}

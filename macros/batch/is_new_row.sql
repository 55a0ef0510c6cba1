{#- True for an input row that a batch has to look at: loaded within the window, or at an unknown time, or, in a
    backfill (dbt's own --event-time-start and --event-time-end), started in its range. -#}
{% macro is_new_row(build, table) -%}
    (
        loaded_at is null
        or (
            loaded_at >= {{ build[table ~ '_from'] }}
            {%- if build[table ~ '_until'] %} and loaded_at <= {{ build[table ~ '_until'] }}{% endif %}
        )
        {%- for range in [voice_ai_analytics.backfill_range()] if range and table != 'users' %}
        or started_at between {{ range[0] }} and {{ range[1] }}
        {%- endfor %}
    )
{%- endmacro %}


{#- The range of a backfill as two timestamp literals; none where this is none. -#}
{% macro backfill_range() -%}
    {%- set start = invocation_args_dict.get('event_time_start') -%}
    {%- if not start -%} {{ return(none) }} {%- endif -%}
    {{ return([
        voice_ai_analytics.timestamp_literal(start),
        voice_ai_analytics.timestamp_literal(invocation_args_dict.get('event_time_end'))
    ]) }}
{%- endmacro %}

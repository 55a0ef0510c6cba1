{#- True for an input row that a batch has to read: it was loaded on a day that differs from what the last certified
    build read, or started within the range of a backfill. -#}
{% macro is_on_changed_day(table, build) -%}
    {%- set backfill = voice_ai_analytics.backfill_range() -%}
    (
        {{ voice_ai_analytics.is_loaded_on(build[table ~ '_days']) }}
        {%- if backfill and table != 'users' %}
        or started_at between {{ backfill[0] }} and {{ backfill[1] }}
        {%- endif %}
    )
    and {{ voice_ai_analytics.is_loaded_until(build[table ~ '_until']) }}
{%- endmacro %}

{#- True for a row whose loaded_at lies on one of the days; the day 'unknown' is that of rows whose loaded_at is missing or
    impossible. Ranges of instants, so that an engine can use the table's order or an index on loaded_at. -#}
{% macro is_loaded_on(days, first='loaded_at', last='loaded_at') -%}
    {%- if not days -%} false {%- else -%}
    (
        {%- for day in days %}
        {{ "or " if not loop.first -}}
        {%- if day == 'unknown' -%}
        {{ last }} is null or {{ voice_ai_analytics.is_out_of_time(last) }}
        {%- else -%}
        ({{ last }} >= '{{ day }}' and {{ first }} < {{ voice_ai_analytics.add_seconds("cast('" ~ day ~ "' as timestamp)", 86400) }})
        {%- endif -%}
        {%- endfor %}
    )
    {%- endif -%}
{%- endmacro %}

{#- True for a row whose loaded_at, or whose range from `first` to `last`, touches one of the days. The day 'unknown'
    stands for rows whose loaded_at is missing or impossible. Compares timestamps, not dates, so that an engine can use
    an index on loaded_at or the order of the table. -#}
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

{#- Row of voice_ai_builds for the last certified build, or none if this build has to read everything: it is the first,
    runs with --full-refresh or under different rules, lacks a table that earlier builds left, or has inputs without
    loaded_at. -#}
{% macro last_certified_build(rules) -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') -%}
    {%- set durable = [
        'fact_voice_ai_sessions', 'quarantine_voice_ai__sessions', 'quarantine_voice_ai__turns',
        'quarantine_voice_ai__users', 'int_voice_ai__users', 'int_voice_ai__load_days'
    ] + (['fact_voice_ai_turns'] if var('voice_ai_fact_turns', false) else []) -%}
    {%- set found = [] -%}
    {%- for name in durable if voice_ai_analytics.as_built(name) -%} {%- do found.append(name) -%} {%- endfor -%}
    {%- if flags.FULL_REFRESH
        or not builds
        or found != durable
        or 'loaded_at' not in voice_ai_analytics.input_columns(ref('input_voice_ai__sessions'))
        or 'loaded_at' not in voice_ai_analytics.input_columns(ref('input_voice_ai__turns')) -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set rows = run_query('select * from ' ~ builds ~ ' order by started_at desc limit 1').rows -%}
    {{ return(rows[0] if rows and rows[0]['rules'] == rules else none) }}
{%- endmacro %}

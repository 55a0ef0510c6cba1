{#- The last certified build as a dictionary of literals, from which a batch can go on; none where everything has to be
    read: the first build, --full-refresh, other rules than then, or inputs that do not say when they were loaded. -#}
{% macro last_certified_build(rules) -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') -%}
    {%- set inputs = {
        'sessions': voice_ai_analytics.input_columns(ref('input_voice_ai__sessions')),
        'turns': voice_ai_analytics.input_columns(ref('input_voice_ai__turns')),
        'users': voice_ai_analytics.input_columns(ref('input_voice_ai__users'))
    } -%}
    {%- set durable = [
        'fact_voice_ai_sessions', 'quarantine_voice_ai__sessions', 'quarantine_voice_ai__turns',
        'quarantine_voice_ai__users', 'stg_voice_ai__users', 'int_voice_ai__turn_ledger',
        'int_voice_ai__repeated_turn_ids'
    ] -%}
    {%- set found = [] -%}
    {%- for name in durable if voice_ai_analytics.as_built(name) -%} {%- do found.append(name) -%} {%- endfor -%}
    {%- if flags.FULL_REFRESH
        or not builds
        or found != durable
        or 'loaded_at' not in inputs.sessions
        or 'loaded_at' not in inputs.turns -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set rows = run_query('select * from ' ~ builds ~ ' order by started_at desc limit 1').rows -%}
    {%- if not rows or rows[0]['rules'] != rules -%} {{ return(none) }} {%- endif -%}
    {%- set last = {
        'started_at': voice_ai_analytics.timestamp_literal(rows[0]['started_at']),
        'raw_session_rows': rows[0]['raw_session_rows']
    } -%}
    {%- for table, columns in inputs.items() -%}
        {%- set until = voice_ai_analytics.timestamp_literal(rows[0][table ~ '_until'] or '1900-01-01') -%}
        {#- A load dated in the future must not push the window past loads still to come. -#}
        {%- do last.update({
            table ~ '_until': until,
            table ~ '_from': voice_ai_analytics.add_seconds(
                'least(' ~ until ~ ', ' ~ last.started_at ~ ')',
                (var('voice_ai_lookback_days', 1) | float) * -86400
            ) if 'loaded_at' in columns
        }) -%}
    {%- endfor -%}
    {{ return(last) }}
{%- endmacro %}

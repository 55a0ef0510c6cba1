{#- Which callbacks can be known, as a dictionary of SQL: the newest start in the data as of this build (`now`), and the
    range of session ends that became, or ceased to be, 24 hours older than it since the last build (`low` to `high`). A
    full build needs only `now`, which it takes from all its sessions (`rebuilt`). -#}
{% macro data_horizons(build, sessions, to_rebuild, rebuilt) -%}
    {%- if build.is_full or not execute -%}
        {{ return({'now': '(select max(started_at) from ' ~ rebuilt ~ ')'}) }}
    {%- endif -%}
    {%- set newest = '(select max(started_at) from ' ~ sessions ~ ')' -%}
    {%- if build.fact -%}
        {%- set newest = 'greatest(' ~ newest ~ ', (select max(started_at) from '
            ~ voice_ai_analytics.sessions_deleted_upstream(build) ~ ' as deleted_upstream))' -%}
    {%- endif -%}
    {%- set row = run_query('select max(started_at) as former, ' ~ newest ~ ' as rebuilt from ' ~ build.fact).rows[0] -%}
    {%- set former, now = row['former'], row['rebuilt'] -%}
    {%- if not now or (former and now < former) -%}
        {%- set now = run_query(
            'select greatest(max(fact.started_at), ' ~ newest ~ ') as now from ' ~ build.fact ~ ' as fact'
            ~ ' where fact.session_key not in (select session_key from ' ~ to_rebuild ~ ')'
        ).rows[0]['now'] -%}
    {%- endif -%}
    {%- set instants = [former or now, now] | map('string') | sort | list -%}
    {{ return({
        'now': voice_ai_analytics.timestamp_literal(now),
        'low': voice_ai_analytics.add_seconds(voice_ai_analytics.timestamp_literal(instants[0]), -86400),
        'high': voice_ai_analytics.add_seconds(voice_ai_analytics.timestamp_literal(instants[1]), -86400)
    }) }}
{%- endmacro %}

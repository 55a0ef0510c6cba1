{#- What this build reads, as a dictionary: `is_full` and, for each input table, the days of loaded_at that differ from
    the last certified build (`<table>_days`), those of them that had rows then (`<table>_days_read_before`), and the
    newest loaded_at (`<table>_until`). See int_voice_ai__build. Unit tests override it. -#}
{% macro this_build() -%}
    {%- set build = ref('int_voice_ai__build') -%}
    {%- if not execute or not load_relation(build) -%} {{ return({'is_full': true}) }} {%- endif -%}
    {#- Rendered, because --empty reads every ref as if it had no rows. -#}
    {%- set row = run_query('select * from ' ~ build.render()).rows[0] -%}
    {%- set found = {
        'build_id': row['build_id'],
        'is_full': row['is_full'],
        'is_history_whole': row['is_history_whole'],
        'started_at': voice_ai_analytics.timestamp_literal(row['started_at']),
        'certified_at': voice_ai_analytics.timestamp_literal(row['certified_at']),
        'fact': voice_ai_analytics.as_built('fact_voice_ai_sessions') if row['has_fact'],
        'first_loaded_at': none
    } -%}
    {%- for table in ['sessions', 'turns', 'users'] -%}
        {%- do found.update({
            table ~ '_days': (row[table ~ '_days'] or '').split(',') | select | list,
            table ~ '_days_read_before': (row[table ~ '_days_read_before'] or '').split(',') | select | list,
            table ~ '_until': voice_ai_analytics.timestamp_literal(row[table ~ '_until']),
            'quarantined_' ~ table: voice_ai_analytics.as_built('quarantine_voice_ai__' ~ table)
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Whether the previous build, which int_voice_ai__build still describes, was certified and wrote the snapshot. If not,
    the fact may hold changes that the snapshot has missed, so the whole fact has to be compared. -#}
{% macro is_history_whole() -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') if execute -%}
    {%- set former = load_relation(this) if execute -%}
    {%- if not builds or not former -%} {{ return(false) }} {%- endif -%}
    {%- set rows = run_query(
        'select * from ' ~ former ~ ' where build_id in (select build_id from ' ~ builds ~ ')'
    ).rows -%}
    {{ return(rows | length == 1 and rows[0].get('keeps_history') is true) }}
{%- endmacro %}

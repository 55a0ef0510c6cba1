{#- Whether the build before this one, as int_voice_ai__build still has it, was certified and kept history. Otherwise it
    may have left changes in the fact that no snapshot has seen, and all of the fact has to be compared. -#}
{% macro is_history_whole() -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') if execute -%}
    {%- set former = load_relation(this) if execute -%}
    {%- if not builds or not former -%} {{ return(false) }} {%- endif -%}
    {%- set rows = run_query(
        'select * from ' ~ former ~ ' where build_id in (select build_id from ' ~ builds ~ ')'
    ).rows -%}
    {{ return(rows | length == 1 and rows[0].get('keeps_history') is true) }}
{%- endmacro %}

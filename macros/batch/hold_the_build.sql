{#- On-run-start hook: two builds at once would work on each other's tables, so the second one stops with a sentence before
    it touches anything. DuckDB lets in one process at a time. The lock is released when dbt's connection closes, also
    when dbt is killed. -#}
{% macro hold_the_build() -%}
    {%- set written = [] -%}
    {%- for unique_id in selected_resources
        if modules.re.match('(model|seed|snapshot)[.]voice_ai_analytics[.]', unique_id) -%}
        {%- do written.append(unique_id) -%}
    {%- endfor -%}
    {%- if execute and written and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'retry') -%}
        {{ return(adapter.dispatch('voice_ai_hold_the_build', 'voice_ai_analytics')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_hold_the_build() -%} {%- endmacro %}

{% macro postgres__voice_ai_hold_the_build() -%}
    {%- set build = graph.nodes['model.voice_ai_analytics.int_voice_ai__build'] -%}
do $$
begin
    if not pg_try_advisory_lock(hashtextextended('voice_ai_analytics build ' || '{{ build.schema }}', 0)) then
        raise exception 'another build of voice_ai_analytics is running: this one stops, run it again later';
    end if;
end $$
{%- endmacro %}

{#- Pre-hook of int_voice_ai__load_days. Keeps only the last certified build's days, to compare with this build's. -#}
{% macro forget_load_days() -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') -%}
    {%- if voice_ai_analytics.is_replacing_rows() and is_incremental() %}
delete from {{ this }}
    {%- if builds %}
where build_id <> (select build_id from {{ builds }} order by started_at desc limit 1)
    {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- Pre-hook of every model, seed and snapshot. Stops this build if another one has started, and otherwise keeps others
    from starting while the node is built. -#}
{% macro hold_the_build() -%}
    {%- if voice_ai_analytics.is_building() -%}
        {{ return(adapter.dispatch('voice_ai_hold_the_build', 'voice_ai_analytics')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_hold_the_build() -%} {%- endmacro %}

{% macro postgres__voice_ai_hold_the_build() -%}
    {%- set build_lock = voice_ai_analytics.build_lock() -%}
do $$
begin
    lock table {{ build_lock }} in share mode nowait;
    if not exists (select 1 from {{ build_lock }} where build_id = '{{ invocation_id }}') then
        raise lock_not_available;
    end if;
exception when lock_not_available then
    raise exception 'another build of voice_ai_analytics has started: this one stops, run it again later';
end $$
{%- endmacro %}

{#- Pre-hook of every model, seed and snapshot. Stops this build if another one has started, and otherwise keeps others
    from starting while the node is built. A reader's open transaction must not hold up the build for ever, so a node
    waits for locks no longer than the connection says, or five minutes. -#}
{% macro hold_the_build() -%}
    {%- if voice_ai_analytics.is_building() -%}
        {{ return(adapter.dispatch('voice_ai_hold_the_build', 'voice_ai_analytics')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__voice_ai_hold_the_build() -%} {%- endmacro %}

{% macro postgres__voice_ai_hold_the_build() -%}
    {%- set build_lock = voice_ai_analytics.build_lock() -%}
select set_config('lock_timeout', '5min', true) where current_setting('lock_timeout') = '0';
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

{#- Two builds at once would work on each other's tables. Engines that let two in are asked here that one stops;
    DuckDB lets one process in at a time. -#}


{#- Pre-hook of int_voice_ai__build, with which a build begins: stop where another one is making a model. -#}
{% macro take_the_build() -%}
    {{ return(adapter.dispatch('take_the_build', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__take_the_build() -%} {%- endmacro %}

{% macro postgres__take_the_build() -%}
do $$
begin
    if to_regclass('{{ this }}') is not null then
        lock table {{ this }} in access exclusive mode nowait;
    end if;
exception when lock_not_available then
    raise exception 'another build of voice_ai_analytics is running: this one stops, run it again later';
end $$
{%- endmacro %}


{#- Pre-hook of every later model: hold the build's row while the model is made, and stop where another build has taken
    over since. -#}
{% macro hold_the_build() -%}
    {{ return(adapter.dispatch('hold_the_build', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__hold_the_build() -%} {%- endmacro %}

{% macro postgres__hold_the_build() -%}
    {%- set build = ref('int_voice_ai__build') -%}
    {#- A model that is selected alone works on the last build's rows. -#}
    {%- if execute and 'model.voice_ai_analytics.int_voice_ai__build' in selected_resources -%}
do $$
begin
    lock table {{ build }} in share mode;
    if not exists (select 1 from {{ build }} where build_id = '{{ invocation_id }}') then
        raise exception 'another build of voice_ai_analytics has started meanwhile: this one stops, run it again later';
    end if;
end $$
    {%- endif -%}
{%- endmacro %}

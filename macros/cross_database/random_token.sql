{#- Random text with at least 240 bits of randomness, generated when the statement runs. -#}
{% macro random_token() -%}
    {{ return(adapter.dispatch('voice_ai_random_token', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__voice_ai_random_token() -%}
    cast(gen_random_uuid() as text) || cast(gen_random_uuid() as text)
{%- endmacro %}

{% macro duckdb__voice_ai_random_token() -%}
    {#- DuckDB's own generator repeats itself after `setseed`, so this reads the Linux kernel's. Elsewhere, the id of
        the run, which Python takes from the operating system, at least makes two databases differ. -#}
    {%- set path = '/proc/sys/kernel/random/uuid' -%}
    {%- set has_kernel = execute
        and run_query("select current_setting('enable_external_access') as is_allowed").rows[0]['is_allowed'] | string | lower
            == 'true'
        and run_query("select count(*) as files from glob('" ~ path ~ "')").rows[0]['files'] > 0 -%}
    {%- if has_kernel -%}
    (select string_agg(trim(content, chr(10)), '') from read_text(['{{ path }}', '{{ path }}']))
    {%- else -%}
    sha256('{{ invocation_id }}' || cast(gen_random_uuid() as text) || cast(gen_random_uuid() as text))
    {%- endif -%}
{%- endmacro %}

{#- Path into a JSON value as the engine writes it. `path` is a list of keys; 0 and -1 are an array's first and last item. -#}
{% macro json_path(path) -%}
    {{ return(adapter.dispatch('voice_ai_json_path', 'voice_ai_analytics')(path)) }}
{%- endmacro %}

{% macro default__voice_ai_json_path(path) -%}
    {%- do exceptions.raise_compiler_error(
        "voice_ai_platforms can't be read on " ~ target.type ~ ': use DuckDB or PostgreSQL, or write '
        ~ target.type ~ '__voice_ai_json_path and the macros beside it'
    ) -%}
{%- endmacro %}

{% macro duckdb__voice_ai_json_path(path) -%}
    {%- set steps = ['$'] -%}
    {%- for step in path -%}
        {%- do steps.append('."' ~ step ~ '"' if step is string else '[#-1]' if step < 0 else '[' ~ step ~ ']') -%}
    {%- endfor -%}
    '{{ steps | join }}'
{%- endmacro %}

{% macro postgres__voice_ai_json_path(path) -%} '{% raw %}{{% endraw %}{{ path | join(',') }}}' {%- endmacro %}

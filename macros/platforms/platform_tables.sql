{#- The var voice_ai_platforms as a dictionary from each platform that is on to its raw tables, each
    `[database.][schema.]table`. The list is empty for the table that voice-ai load writes. -#}
{% macro platform_tables() -%}
    {%- set given = var('voice_ai_platforms', []) -%}
    {%- set takes = 'a list of names, such as [retell, {vapi: [calls_eu, calls_us]}]' -%}
    {%- set found = {} -%}
    {%- if given is string or given is not iterable -%}
        {%- do exceptions.raise_compiler_error('var voice_ai_platforms takes ' ~ takes ~ ', not ' ~ tojson(given)) -%}
    {%- endif -%}
    {%- for entry in ([given] if given is mapping else given) -%}
        {%- for name, tables in ({entry: []} if entry is string else entry if entry is mapping else {'': 0}).items() -%}
            {%- set tables = [tables] if tables is string else tables -%}
            {%- if tables is not iterable or tables | reject('string') | list or name in found -%}
                {%- do exceptions.raise_compiler_error('var voice_ai_platforms takes ' ~ takes ~ ', each once, not ' ~ tojson(given)) -%}
            {%- endif -%}
            {%- if name not in voice_ai_analytics.known_platforms() -%}
                {%- do exceptions.raise_compiler_error(
                    'var voice_ai_platforms names ' ~ tojson(name) ~ ', which is no platform; the nearest: '
                    ~ voice_ai_analytics.nearest_names(name, voice_ai_analytics.known_platforms()) | join(', ')
                ) -%}
            {%- endif -%}
            {%- do found.update({name: tables | list}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

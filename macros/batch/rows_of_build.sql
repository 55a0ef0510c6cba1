{#- The checked rows that the build at hand works on: all of them, or in a batch those that were read for it. -#}
{% macro rows_of_build(table, build) -%}
    {%- set checked = ref('stg_voice_ai__' ~ table ~ '_checked') -%}
    {%- set read = ref('stg_voice_ai__' ~ table ~ '_read') -%}
    {{ return(checked if build.is_full else read) }}
{%- endmacro %}

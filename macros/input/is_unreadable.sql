{#- True if the input reports a value that read_<type> couldn't convert. -#}
{% macro is_unreadable(columns, name) -%}
    {%- if voice_ai_analytics.is_read_as_it_is(columns, name) -%} {{ voice_ai_analytics.is_out_of_time(name) }}
    {%- else -%} {{ name }} is null and {{ name }}_given is not null
    {%- endif -%}
{%- endmacro %}

{#- True if the input reports a value that read_<type> couldn't convert, or a measurement that is impossible. -#}
{% macro is_unreadable(columns, name, measurements) -%}
    {%- if name in measurements -%} {{ name }}_given is not null and ({{ name }} {{ measurements[name] }}) is not true
    {%- elif voice_ai_analytics.is_read_as_it_is(columns, name) -%} {{ voice_ai_analytics.is_out_of_time(name) }}
    {%- else -%} {{ name }} is null and {{ name }}_given is not null
    {%- endif -%}
{%- endmacro %}

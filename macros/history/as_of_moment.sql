{#- SQL of the last UTC timestamp that a moment of sessions_as_of includes. -#}
{% macro as_of_moment(moment) -%}
    {%- set text = moment | trim -%}
    {%- if modules.re.match("^'\d{4}-\d{2}-\d{2}'$", text) -%}
    cast('{{ text[1:-1] }} 23:59:59.999999' as timestamp)
    {%- elif modules.re.match("^'.*(Z|z|[+-]\d{2}(:?\d{2})?)'$", text) -%}
    {{ voice_ai_analytics.to_utc('cast(' ~ text ~ ' as timestamp with time zone)') }}
    {%- else -%}
    cast({{ text }} as timestamp)
    {%- endif -%}
{%- endmacro %}

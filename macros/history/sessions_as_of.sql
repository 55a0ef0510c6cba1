{#- The certified sessions as they were known at a moment, as a subquery in parentheses. `moment` is SQL of a UTC
    timestamp, or a quoted ISO 8601 literal: of a plain day its end is meant. -#}
{% macro sessions_as_of(moment) -%}
    {%- set versions = ref('voice_ai_session_versions') -%}
    {%- set known_at = voice_ai_analytics.as_of_moment(moment) -%}
(
    select *
    from {{ versions }}
    where dbt_valid_from <= {{ known_at }} and (dbt_valid_to > {{ known_at }} or dbt_valid_to is null)
)
{%- endmacro %}


{#- SQL of the last UTC timestamp that a moment of sessions_as_of means. -#}
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

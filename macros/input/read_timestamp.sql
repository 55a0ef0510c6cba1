{#- Input column as a UTC timestamp without a time zone. Null if missing or not a timestamp of the years 1900 to 2199
    (which rules out infinity). Numbers are seconds, milliseconds or microseconds since 1970. Text is such a number, the
    date of an email header (RFC 2822), or ISO 8601: YYYY-MM-DD, optionally with a time, and that optionally with Z or an
    offset. The pattern rejects dates that don't exist, so that the cast can't fail on any engine. -#}
{% macro read_timestamp(columns, name) -%}
    {%- set type = columns.get(name) -%}
    {%- if type is none -%} cast(null as timestamp)
    {%- elif type.startswith('timestamp') or type == 'date' -%}
    {%- set has_zone = 'with time zone' in type or type == 'timestamptz' -%}
    {%- set instant = voice_ai_analytics.to_utc(name) if has_zone else 'cast(' ~ name ~ ' as timestamp)' -%}
    {%- if voice_ai_analytics.is_read_as_it_is(columns, name) -%} {{ instant }}
    {%- else -%}
    case when not ({{ voice_ai_analytics.is_out_of_time(name) }}) then {{ instant }} end
    {%- endif -%}
    {%- elif voice_ai_analytics.is_numeric_type(type) -%}
    {{ voice_ai_analytics.epoch_as_timestamp('cast(' ~ name ~ ' as double precision)') }}
    {%- else -%}
    {%- set text = voice_ai_analytics.read_text(columns, name) -%}
    {%- set date = '((19|20|21)[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])'
        ~ '|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
        ~ '|((19|20|21)(0[48]|[2468][048]|[13579][26])|2000)-02-29)' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?' -%}
    {%- set zone = '([+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)' -%}
    {%- set email = '^([A-Z][a-z]{2}, *)?[0-9]{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) '
        ~ '[0-9]{4} [0-9:]{5,8} (GMT|UTC?|Z|[+-][0-9]{4})$' -%}
    {%- set from_email = voice_ai_analytics.rfc_2822_as_iso(text) -%}
    case
        when {{ voice_ai_analytics.matches(text, '^' ~ date ~ '(' ~ time ~ ')?$') }}
            then cast({{ text }} as timestamp)
        when {{ voice_ai_analytics.matches(text, '^' ~ date ~ time ~ '( ?(Z|z|UTC)|' ~ zone ~ ')$') }}
            then {{ voice_ai_analytics.to_utc(
                "cast(replace(replace(upper(" ~ text ~ "), 'UTC', 'Z'), ' Z', 'Z') as timestamp with time zone)"
            ) }}
        when {{ voice_ai_analytics.matches(text, '^[0-9]{9,16}([.][0-9]{1,9})?$') }}
            then {{ voice_ai_analytics.epoch_as_timestamp('cast(' ~ text ~ ' as double precision)') }}
        when {{ voice_ai_analytics.matches(text, email) }}
            then case
                when {{ voice_ai_analytics.matches(from_email, '^' ~ date ~ time ~ '(Z|' ~ zone ~ ')$') }}
                    then {{ voice_ai_analytics.to_utc('cast(' ~ from_email ~ ' as timestamp with time zone)') }}
            end
    end
    {%- endif -%}
{%- endmacro %}
